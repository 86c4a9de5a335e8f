"""copy_file_range(2): what it copies, where it stops, what it refuses; and that the bytes do not come through this host."""
import errno
import fcntl
import os
import random
import unittest

from vcfs_test import env
from vcfs_test.shared import StoreCase, cluster

MIB = 1 << 20


def copy_all(source, target, length, source_offset=0, offset=0):
    done = 0
    while done < length:
        n = os.copy_file_range(source, target, length - done, source_offset + done, offset + done)
        if n == 0:
            break
        done += n
    return done


class CopyRange(StoreCase):
    def setUp(self):
        super().setUp()
        self.bytes = random.Random(7).randbytes(3 * MIB + 12345)
        self.source = self.make("source", self.bytes)
        self.fd = self.open("source")
        self.to = self.open("target", os.O_RDWR | os.O_CREAT)

    def open(self, name, flags=os.O_RDWR):
        fd = os.open(self.path(name), flags, 0o644)
        self.addCleanup(os.close, fd)
        return fd

    def test_a_whole_file(self):
        self.assertEqual(copy_all(self.fd, self.to, 1 << 40), len(self.bytes))
        self.assertEqual(self.read("target"), self.bytes)

    def test_a_range_into_a_range(self):
        os.pwrite(self.to, b"." * 100, 0)
        self.assertEqual(copy_all(self.fd, self.to, 10, MIB - 5, 50), 10)
        self.assertEqual(self.read("target"), b"." * 50 + self.bytes[MIB - 5:MIB + 5] + b"." * 40)

    def test_file_offsets_move(self):
        os.lseek(self.fd, 100, os.SEEK_SET)
        self.assertEqual(os.copy_file_range(self.fd, self.to, 50), 50)
        self.assertEqual(os.lseek(self.fd, 0, os.SEEK_CUR), 150)
        self.assertEqual(os.lseek(self.to, 0, os.SEEK_CUR), 50)
        self.assertEqual(self.read("target"), self.bytes[100:150])

    def test_into_a_descriptor_that_no_longer_appends(self):
        to = self.open("target", os.O_RDWR | os.O_APPEND)
        fcntl.fcntl(to, fcntl.F_SETFL, 0)
        self.assertEqual(copy_all(self.fd, to, 10, MIB, 0), 10)
        self.assertEqual(self.read("target"), self.bytes[MIB:MIB + 10])

    def test_it_stops_at_the_end(self):
        end = len(self.bytes)
        self.assertEqual(os.copy_file_range(self.fd, self.to, 100, end - 10, 0), 10)
        self.assertEqual(os.copy_file_range(self.fd, self.to, 100, end, 0), 0)
        self.assertEqual(os.copy_file_range(self.fd, self.to, 100, end + 5, 0), 0)
        self.assertEqual(os.path.getsize(self.path("target")), 10)

    def test_beyond_the_targets_end_leaves_a_hole(self):
        copy_all(self.fd, self.to, 5, 0, 2 * MIB)
        self.assertEqual(self.read("target"), b"\0" * (2 * MIB) + self.bytes[:5])

    def test_bytes_that_were_just_written_are_copied(self):
        os.pwrite(self.fd, b"NEW", 0)
        copy_all(self.fd, self.to, 3)
        self.assertEqual(os.pread(self.to, 3, 0), b"NEW")

    def test_what_is_written_afterwards_comes_after_it(self):
        os.pwrite(self.to, b"old", 0)
        copy_all(self.fd, self.to, 10)
        os.pwrite(self.to, b"after", 2)
        self.assertEqual(self.read("target"), self.bytes[:2] + b"after" + self.bytes[7:10])

    def test_within_one_file(self):
        self.assertEqual(copy_all(self.fd, self.fd, 1000, 0, 5000), 1000)
        self.assertEqual(os.pread(self.fd, 1000, 5000), self.bytes[:1000])

    def test_overlapping_ranges_are_EINVAL(self):
        self.assertErrno(errno.EINVAL, os.copy_file_range, self.fd, self.fd, 100, 0, 50)

    def test_wrong_descriptors_are_EBADF(self):
        reader = self.open("target", os.O_RDONLY)
        writer = self.open("source", os.O_WRONLY)
        appender = self.open("target", os.O_WRONLY | os.O_APPEND)
        self.assertErrno(errno.EBADF, os.copy_file_range, self.fd, reader, 10)
        self.assertErrno(errno.EBADF, os.copy_file_range, writer, self.to, 10)
        self.assertErrno(errno.EBADF, os.copy_file_range, self.fd, appender, 10)

    def test_directories_and_fifos(self):
        directory = os.open(self.dir, os.O_RDONLY)
        self.addCleanup(os.close, directory)
        self.assertErrno(errno.EISDIR, os.copy_file_range, directory, self.to, 10)

    def test_beyond_the_largest_file_is_EFBIG(self):
        self.assertErrno(errno.EFBIG, os.copy_file_range, self.fd, self.to, 10, 0, (1 << 63) - 100)

    def test_it_moves_the_targets_times_and_not_the_sources_mtime(self):
        os.utime(self.path("target"), (1, 1))
        os.utime(self.source, (1, 1))
        copy_all(self.fd, self.to, 10)
        self.assertGreater(os.stat(self.path("target")).st_mtime, 1000)
        self.assertEqual(os.stat(self.source).st_mtime, 1)

    def test_a_growing_file_in_a_loop(self):
        """As an egress does: write a piece, copy it on."""
        with open(self.path("growing"), "wb", buffering=0) as growing:
            reader = self.open("growing", os.O_RDONLY)
            done = 0
            for i in range(50):
                growing.write(self.bytes[i * 5000:(i + 1) * 5000])
                done += copy_all(reader, self.to, 1 << 30, done, done)
        self.assertEqual(self.read("target"), self.bytes[:250_000])

    def test_cp(self):
        self.run_tool("cp", "--reflink=never", self.source, self.path("copy"))
        self.assertEqual(self.read("copy"), self.bytes)
        self.run_tool("cp", "--reflink=auto", "--sparse=auto", self.source, self.path("copy2"))
        self.assertEqual(self.read("copy2"), self.bytes)

    def test_cp_keeps_holes(self):
        with open(self.path("sparse"), "wb") as f:
            f.truncate(64 * MIB)
            f.seek(32 * MIB)
            f.write(b"x" * 4096)
        self.run_tool("cp", self.path("sparse"), self.path("copy"))
        self.assertEqual(os.path.getsize(self.path("copy")), 64 * MIB)
        self.assertLess(os.stat(self.path("copy")).st_blocks * 512, 4 * MIB)

    def test_both_replicas_have_it(self):
        copy_all(self.fd, self.to, 1 << 40)
        os.fsync(self.to)
        if env.TEST_DIR:
            return
        for replica in cluster().replica_paths(self.store_path(self.path("target"))):
            with open(replica, "rb") as f:
                self.assertEqual(f.read(), self.bytes)


if __name__ == "__main__":
    unittest.main()
