"""name_to_handle_at(2) and open_by_handle_at(2), which file servers use: a handle is good as long as the file is."""
import errno
import os
import unittest

from vcfs_test import shared, syscalls
from vcfs_test.shared import StoreCase
from vcfs_test.wait import wait_for


def forget_caches():
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
        f.write("2")


class FileHandles(StoreCase):
    def setUp(self):
        super().setUp()
        self.top = os.open(shared.store(), os.O_RDONLY)
        self.addCleanup(os.close, self.top)

    def open(self, handle):
        fd = syscalls.open_by_handle(self.top, handle, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        return fd

    def test_a_file_is_found_under_whatever_name(self):
        handle = syscalls.name_to_handle(self.make("f", b"hello"))
        self.assertEqual(os.read(self.open(handle), 10), b"hello")
        os.rename(self.path("f"), self.path("g"))
        forget_caches()
        self.assertEqual(os.read(self.open(handle), 10), b"hello")

    def test_a_directory_is_found_with_what_is_above_and_below(self):
        os.makedirs(self.path("d/e"))
        self.make("d/e/f")
        handle = syscalls.name_to_handle(self.path("d/e"))
        forget_caches()
        fd = self.open(handle)
        self.assertEqual(os.listdir(fd), ["f"])
        self.assertEqual(os.stat("..", dir_fd=fd).st_ino, os.stat(self.path("d")).st_ino)

    def test_a_deleted_file_is_ESTALE(self):
        handle = syscalls.name_to_handle(self.make("f", b"hello"))
        os.unlink(self.path("f"))
        self.assertErrno(errno.ESTALE, self.open, handle)
        forget_caches()
        self.assertErrno(errno.ESTALE, self.open, handle)

    def test_a_deleted_file_that_is_open_is_found_until_it_is_closed(self):
        handle = syscalls.name_to_handle(self.make("f", b"hello"))
        fd = os.open(self.path("f"), os.O_RDONLY)
        os.unlink(self.path("f"))
        second = syscalls.open_by_handle(self.top, handle, os.O_RDONLY)
        self.assertEqual(os.read(second, 10), b"hello")
        os.close(second)
        os.close(fd)

        def gone():
            try:
                os.close(syscalls.open_by_handle(self.top, handle, os.O_RDONLY))
            except OSError as e:
                return e.errno == errno.ESTALE
            return False
        wait_for(gone, 5, "the kernel to let go of it")

    def test_a_deleted_directory_is_ESTALE(self):
        os.mkdir(self.path("d"))
        handle = syscalls.name_to_handle(self.path("d"))
        os.rmdir(self.path("d"))
        forget_caches()
        self.assertErrno(errno.ESTALE, self.open, handle)


if __name__ == "__main__":
    unittest.main()
