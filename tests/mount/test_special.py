"""Fifos, sockets, device nodes, statfs, inotify, and other things a directory can be asked."""
import errno
import os
import socket
import stat
import struct
import unittest

from vcfs_test.shared import StoreCase
from vcfs_test.wait import wait_for


class SpecialFiles(StoreCase):
    def test_fifo_carries_bytes(self):
        os.mkfifo(self.path("p"), 0o640)
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path("p")).st_mode))
        pid = os.fork()
        if pid == 0:
            with open(self.path("p"), "wb") as f:
                f.write(b"through the fifo")
            os._exit(0)
        self.assertEqual(self.read("p"), b"through the fifo")
        os.waitpid(pid, 0)

    def test_socket_takes_connections(self):
        here = os.open(".", os.O_RDONLY)
        os.chdir(self.dir)  # a socket's path is at most 107 bytes
        try:
            with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
                server.bind("s")
                server.listen()
                client.connect("s")
                client.send(b"hello")
                self.assertEqual(server.accept()[0].recv(10), b"hello")
                self.assertTrue(stat.S_ISSOCK(os.stat("s").st_mode))
        finally:
            os.fchdir(here)
            os.close(here)

    def test_regular_file_by_mknod(self):
        os.mknod(self.path("f"), stat.S_IFREG | 0o604)
        st = os.stat(self.path("f"))
        self.assertEqual((stat.S_ISREG(st.st_mode), stat.S_IMODE(st.st_mode), st.st_size), (True, 0o604, 0))
        self.make("f", b"usable")
        self.assertEqual(self.read("f"), b"usable")

    def test_a_file_made_by_mknod_does_not_count_as_being_recorded(self):
        os.mknod(self.path("f"), stat.S_IFREG | 0o600)
        self.wait_sealed("f")

    def test_a_file_made_by_opening_it_for_reading_does_not_count_as_being_recorded(self):
        """As `flock FILE COMMAND` makes it, and holds it open."""
        fd = os.open(self.path("f"), os.O_RDONLY | os.O_CREAT, 0o600)
        self.addCleanup(os.close, fd)
        self.wait_sealed("f")
        self.make("f", b"usable")
        self.assertEqual(os.read(fd, 10), b"usable")
        self.wait_sealed("f")

    def test_a_file_made_by_opening_it_for_reading_can_be_written_at_once(self):
        for i in range(20):
            reader = os.open(self.path(f"f{i}"), os.O_RDONLY | os.O_CREAT, 0o600)
            writer = os.open(self.path(f"f{i}"), os.O_WRONLY)
            os.write(writer, b"written")
            os.fsync(writer)
            self.assertEqual(os.getxattr(self.path(f"f{i}"), "user.vcfs.state"), b"open")
            os.close(writer)
            self.assertEqual(os.read(reader, 10), b"written")
            os.close(reader)
            self.wait_sealed(f"f{i}")

    def wait_sealed(self, name):
        wait_for(lambda: os.getxattr(self.path(name), "user.vcfs.state") == b"closed", 5, "the file to be sealed")

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_device_numbers_are_kept(self):
        for kind, number in ((stat.S_IFCHR, os.makedev(1, 3)), (stat.S_IFBLK, os.makedev(7, 300))):
            os.mknod(self.path("dev"), kind | 0o600, number)
            st = os.lstat(self.path("dev"))
            self.assertEqual((stat.S_IFMT(st.st_mode), st.st_rdev), (kind, number))
            os.unlink(self.path("dev"))

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_device_node_by_another_user_is_EPERM(self):
        from vcfs_test.identity import as_user
        os.chmod(self.dir, 0o777)
        self.assertErrno(errno.EPERM, as_user, 61001, os.mknod, self.path("dev"), stat.S_IFCHR | 0o600, os.makedev(1, 3))

    def test_special_files_can_be_renamed_and_removed(self):
        os.mkfifo(self.path("p"))
        os.rename(self.path("p"), self.path("q"))
        os.unlink(self.path("q"))
        self.assertEqual(os.listdir(self.dir), [])


class FileSystem(StoreCase):
    def test_statvfs_is_sane(self):
        st = os.statvfs(self.dir)
        self.assertGreater(st.f_blocks, 0)
        self.assertLessEqual(st.f_bavail, st.f_bfree)
        self.assertLessEqual(st.f_bfree, st.f_blocks)
        self.assertGreaterEqual(st.f_namemax, 255)
        self.assertGreater(st.f_files, 0)
        self.assertGreater(st.f_ffree, 0)
        self.assertIn(st.f_frsize, (512, 1024, 2048, 4096, 8192, 65536, 131072, 1 << 20))

    def test_statvfs_of_a_file_and_of_a_descriptor_agree(self):
        path = self.make("f")
        with open(path, "rb") as f:
            self.assertEqual(os.statvfs(path).f_blocks, os.fstatvfs(f.fileno()).f_blocks)

    def test_all_files_are_on_one_device(self):
        os.mkdir(self.path("d"))
        self.make("d/f")
        self.assertEqual(len({os.stat(self.path(n)).st_dev for n in ("", "d", "d/f")}), 1)

    def test_inode_numbers_differ(self):
        numbers = [os.stat(self.make(f"f{i}")).st_ino for i in range(200)]
        self.assertEqual(len(set(numbers)), 200)

    def test_pathconf(self):
        self.assertEqual(os.pathconf(self.dir, "PC_NAME_MAX"), 255)

    def test_a_file_cannot_be_linked_or_renamed_to_another_filesystem(self):
        path = self.make("f")
        self.assertErrno(errno.EXDEV, os.link, path, "/dev/shm/vcfs-test-link")
        self.assertErrno(errno.EXDEV, os.rename, path, "/dev/shm/vcfs-test-link")

    def test_an_unknown_ioctl_is_ENOTTY(self):
        import fcntl
        with open(self.make("f", b"x"), "rb") as f:
            self.assertErrno(errno.ENOTTY, fcntl.ioctl, f.fileno(), 0x5401)

    def test_poll_says_ready(self):
        import select
        with open(self.make("f", b"x"), "rb") as f:
            poller = select.poll()
            poller.register(f.fileno(), select.POLLIN)
            self.assertTrue(poller.poll(1000))


class Inotify(StoreCase):
    CREATE, MODIFY, CLOSE_WRITE, MOVED_TO, DELETE = 0x100, 0x2, 0x8, 0x80, 0x200

    def test_changes_on_this_host_are_told(self):
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        fd = libc.inotify_init1(0o4000)
        self.addCleanup(os.close, fd)
        self.assertGreaterEqual(libc.inotify_add_watch(fd, self.dir.encode(), 0xfff), 0)
        self.make("f", b"x")
        os.rename(self.path("f"), self.path("g"))
        os.unlink(self.path("g"))
        data, seen = os.read(fd, 65536), 0
        while data:
            _, mask, _, length = struct.unpack_from("iIII", data)
            seen |= mask
            data = data[16 + length:]
        for wanted in (self.CREATE, self.MODIFY, self.CLOSE_WRITE, self.MOVED_TO, self.DELETE):
            self.assertTrue(seen & wanted, f"no event {wanted:#x} in {seen:#x}")


if __name__ == "__main__":
    unittest.main()
