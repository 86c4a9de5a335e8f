"""Bytes: reading, writing, holes, truncation, allocation, seeking, copying."""
import errno
import os
import unittest

from vcfs_test import syscalls
from vcfs_test.expand import each, expand
from vcfs_test.files import pattern
from vcfs_test.shared import StoreCase
from vcfs_test.wait import wait_for

KIB, MIB = 1024, 1 << 20
SIZES = [(str(n), n) for n in (0, 1, 7, 511, 4095, 4096, 4097, 65535, 131072, 131073, MIB - 1, MIB, MIB + 1, 5 * MIB + 13)]


class DataCase(StoreCase):
    def rw(self, name="f", content=b"", flags=0):
        self.make(name, content)
        fd = os.open(self.path(name), os.O_RDWR | flags)
        self.addCleanup(os.close, fd)
        return fd


@expand
class ReadWrite(DataCase):
    @each(SIZES)
    def test_round_trip_of(self, size):
        data = pattern(size)
        self.make("f", data)
        self.assertEqual(os.stat(self.path("f")).st_size, size)
        self.assertEqual(self.read("f"), data)

    @each(SIZES)
    def test_bytes_written_one_piece_at_a_time_of(self, size):
        data = pattern(size)
        fd = self.rw()
        step = max(1, size // 37)
        for at in range(0, size, step):
            os.write(fd, data[at:at + step])
        self.assertEqual(os.pread(fd, size + 10, 0), data) if size < 1 << 17 else None
        self.assertEqual(self.read("f"), data)

    def test_reading_at_the_end_returns_nothing(self):
        fd = self.rw(content=b"abc")
        self.assertEqual(os.pread(fd, 10, 3), b"")
        self.assertEqual(os.pread(fd, 10, 1 << 40), b"")

    def test_reading_across_the_end_is_short(self):
        self.assertEqual(os.pread(self.rw(content=b"abc"), 10, 1), b"bc")

    def test_overwriting_the_middle(self):
        data = bytearray(pattern(3 * MIB))
        fd = self.rw(content=bytes(data))
        for at, size in ((0, 40), (MIB - 3, 9), (2 * MIB + 17, 70000), (3 * MIB - 1, 1)):
            os.pwrite(fd, b"!" * size, at)
            data[at:at + size] = b"!" * size
        self.assertEqual(self.read("f"), bytes(data))
        self.assertEqual(os.stat(self.path("f")).st_size, 3 * MIB)

    def test_overlapping_writes_end_as_the_last_one(self):
        fd = self.rw()
        os.pwrite(fd, b"a" * 10000, 0)
        os.pwrite(fd, b"b" * 10000, 5000)
        os.pwrite(fd, b"c" * 10, 9990)
        self.assertEqual(self.read("f"), b"a" * 5000 + b"b" * 4990 + b"c" * 10 + b"b" * 5000)

    def test_writing_backwards(self):
        fd = self.rw()
        data = pattern(256 * KIB)
        for at in range(len(data) - 4096, -1, -4096):
            os.pwrite(fd, data[at:at + 4096], at)
        self.assertEqual(self.read("f"), data)

    def test_gathered_writes_and_scattered_reads(self):
        fd = self.rw()
        os.pwritev(fd, [b"ab", b"", b"cde", b"f" * 5000], 3)
        first, second = bytearray(5), bytearray(4000)
        self.assertEqual(os.preadv(fd, [first, second], 1), 4005)
        self.assertEqual(bytes(first), b"\0\0abc")

    def test_no_space_is_taken_by_an_empty_write(self):
        fd = self.rw()
        self.assertEqual(os.pwrite(fd, b"", 100), 0)
        self.assertEqual(os.stat(self.path("f")).st_size, 0)

    def test_direct_io(self):
        import mmap
        page = mmap.mmap(-1, 8192)
        page.write(pattern(8192))
        fd = os.open(self.path("f"), os.O_CREAT | os.O_RDWR | os.O_DIRECT)
        self.addCleanup(os.close, fd)
        self.assertEqual(os.pwritev(fd, [page], 4096), 8192)
        back = mmap.mmap(-1, 8192)
        self.assertEqual(os.preadv(fd, [back], 4096), 8192)
        self.assertEqual(back[:], page[:])
        self.assertEqual(self.read("f"), bytes(4096) + page[:])

    def test_offsets_beyond_the_limit_are_EFBIG_or_EINVAL(self):
        fd = self.rw()
        for offset in ((1 << 63) - 4096,):
            with self.assertRaises(OSError) as caught:
                os.pwrite(fd, b"x" * 4096, offset)
            self.assertIn(caught.exception.errno, (errno.EFBIG, errno.EINVAL))
        self.assertEqual(os.stat(self.path("f")).st_size, 0)

    def test_fsync_fdatasync_syncfs_and_sync_of_a_directory(self):
        fd = self.rw(content=b"abc")
        os.fsync(fd)
        os.fdatasync(fd)
        syscalls.syncfs(fd)
        folder = os.open(self.dir, os.O_RDONLY)
        self.addCleanup(os.close, folder)
        os.fsync(folder)

    def test_fsync_of_a_read_only_descriptor(self):
        self.make("f", b"abc")
        fd = os.open(self.path("f"), os.O_RDONLY)
        self.addCleanup(os.close, fd)
        os.fsync(fd)

    def test_copy_file_range(self):
        data = pattern(3 * MIB + 5)
        source, target = self.rw("a", data), self.rw("b", b"0123456789")
        done = 0
        while done < len(data) - 100:
            n = os.copy_file_range(source, target, len(data) - 100 - done, 100 + done, 10 + done)
            self.assertGreater(n, 0)
            done += n
        self.assertEqual(self.read("b"), b"0123456789" + data[100:])

    def test_sendfile(self):
        data = pattern(300 * KIB)
        source, target = self.rw("a", data), self.rw("b")
        done = 0
        while done < len(data):
            done += os.sendfile(target, source, done, len(data) - done)
        self.assertEqual(self.read("b"), data)

    def test_a_hole_before_what_was_just_written_is_read_in_full(self):
        path = self.path("f")
        for i in range(300):
            fd = os.open(path, os.O_CREAT | os.O_RDWR)
            try:
                # What the last round wrote is cut off, by a descriptor that was closed a moment ago.
                self.assertEqual(os.fstat(fd).st_size, 1000 if i else 0)
                os.pwrite(fd, b"x" * 100, 50_000 + i)
                self.assertEqual(os.pread(fd, 149, 20_000), b"\0" * 149)
                os.ftruncate(fd, 1000)
            finally:
                os.close(fd)

    def test_an_emptied_file_stores_nothing(self):
        fd = os.open(self.path("f"), os.O_CREAT | os.O_RDWR)
        self.addCleanup(os.close, fd)
        os.write(fd, b"x" * 100_000)
        os.fsync(fd)
        self.assertGreater(os.fstat(fd).st_blocks, 0)
        os.ftruncate(fd, 0)
        self.assertEqual(os.fstat(fd).st_blocks, 0)

    def test_a_closed_file_without_data_takes_no_blocks(self):
        with open(self.path("f"), "wb") as f:
            f.truncate(1 << 30)
        with open(self.path("g"), "w+b", buffering=0) as f:
            f.write(b"x" * MIB)
            syscalls.fallocate(f.fileno(), syscalls.FALLOC_PUNCH_HOLE | syscalls.FALLOC_KEEP_SIZE, 0, MIB)
            self.assertLess(os.fstat(f.fileno()).st_blocks, 64)
        for name in "fg":
            wait_for(lambda name=name: os.stat(self.path(name)).st_blocks < 64, 5, f"the blocks of {name}")
            with open(self.path(name), "r+b"):  # the catalog's opinion, then the server's
                self.assertLess(os.stat(self.path(name)).st_blocks, 64)

    def test_blocks_tell_about_what_is_stored(self):
        self.make("f", pattern(MIB))
        st = os.stat(self.path("f"))
        self.assertGreaterEqual(st.st_blocks * 512, MIB // 2)
        self.assertLess(st.st_blocks * 512, 4 * MIB)


@expand
class Holes(DataCase):
    def test_a_hole_reads_as_zeros(self):
        fd = self.rw()
        os.pwrite(fd, b"end", 3 * MIB)
        self.assertEqual(os.pread(fd, 100000, MIB), bytes(100000))
        self.assertEqual(self.read("f"), bytes(3 * MIB) + b"end")

    def test_a_hole_takes_no_space(self):
        fd = self.rw()
        os.pwrite(fd, b"end", 1 << 30)
        os.fsync(fd)
        self.assertLess(os.stat(self.path("f")).st_blocks * 512, 1 << 20)
        self.assertEqual(os.stat(self.path("f")).st_size, (1 << 30) + 3)

    def test_a_terabyte_of_hole(self):
        fd = self.rw()
        os.pwrite(fd, b"end", 1 << 40)
        self.assertEqual(os.pread(fd, 10, (1 << 40) - 3), b"\0\0\0end")

    def test_filling_a_hole(self):
        fd = self.rw()
        os.pwrite(fd, b"z", 2 * MIB)
        os.pwrite(fd, b"a" * 4096, MIB)
        self.assertEqual(os.pread(fd, 4098, MIB - 1), b"\0" + b"a" * 4096 + b"\0")

    def test_seek_data_and_hole(self):
        fd = self.rw()
        os.pwrite(fd, pattern(65536), MIB)
        os.fsync(fd)
        self.assertEqual(os.lseek(fd, 0, os.SEEK_HOLE), 0)
        data = os.lseek(fd, 0, os.SEEK_DATA)
        self.assertIn(data, (0, MIB))
        self.assertEqual(os.lseek(fd, MIB, os.SEEK_DATA), MIB)
        self.assertEqual(os.lseek(fd, MIB, os.SEEK_HOLE), MIB + 65536)

    def test_seek_beyond_the_end_is_ENXIO(self):
        fd = self.rw(content=b"abc")
        self.assertErrno(errno.ENXIO, os.lseek, fd, 3, os.SEEK_DATA)
        self.assertErrno(errno.ENXIO, os.lseek, fd, 4, os.SEEK_HOLE)
        self.assertErrno(errno.ENXIO, os.lseek, fd, -1, os.SEEK_DATA)
        self.assertErrno(errno.ENXIO, os.lseek, fd, 1 << 62, os.SEEK_HOLE)

    def test_the_end_is_a_hole(self):
        self.assertEqual(os.lseek(self.rw(content=b"abc"), 0, os.SEEK_HOLE), 3)

    def test_seek_to_a_negative_offset_is_EINVAL(self):
        self.assertErrno(errno.EINVAL, os.lseek, self.rw(), -1, os.SEEK_SET)


@expand
class Truncate(DataCase):
    @each([(f"{a}_to_{b}", a, b) for a in (0, 1, 4096, 100000) for b in (0, 1, 4095, 4096, 50000, 3 * MIB)])
    def test_from(self, before, after):
        data = pattern(before)
        fd = self.rw(content=data)
        os.ftruncate(fd, after)
        self.assertEqual(os.fstat(fd).st_size, after)
        self.assertEqual(self.read("f"), data[:after] + bytes(max(0, after - before)))

    def test_by_path(self):
        self.make("f", b"0123456789")
        os.truncate(self.path("f"), 4)
        self.assertEqual(self.read("f"), b"0123")

    def test_a_byte_that_was_cut_off_never_comes_back(self):
        fd = self.rw(content=b"x" * 10000)
        os.ftruncate(fd, 100)
        os.ftruncate(fd, 10000)
        self.assertEqual(self.read("f"), b"x" * 100 + bytes(9900))

    def test_cut_then_write_beyond_leaves_zeros(self):
        fd = self.rw(content=b"x" * 10000)
        os.ftruncate(fd, 5000)
        os.pwrite(fd, b"y", 9000)
        self.assertEqual(self.read("f"), b"x" * 5000 + bytes(4000) + b"y")

    def test_an_open_file_is_cut_by_path(self):
        fd = self.rw(content=b"x" * 10000)
        os.truncate(self.path("f"), 10)
        self.assertEqual(os.fstat(fd).st_size, 10)
        self.assertEqual(os.pread(fd, 100, 0), b"x" * 10)

    def test_cut_while_bytes_are_on_their_way(self):
        fd = self.rw()
        for i in range(20):
            os.pwrite(fd, pattern(300000, key=i), 0)
            os.ftruncate(fd, 1000)
            self.assertEqual(self.read("f"), pattern(300000, key=i)[:1000])

    def test_negative_size_is_EINVAL(self):
        self.assertErrno(errno.EINVAL, os.truncate, self.make("f"), -1)

    def test_directory_is_EISDIR(self):
        self.assertErrno(errno.EISDIR, os.truncate, self.dir, 0)

    def test_absurd_size_is_EFBIG_or_EINVAL(self):
        with self.assertRaises(OSError) as caught:
            os.truncate(self.make("f", b"abc"), (1 << 63) - 1)
        self.assertIn(caught.exception.errno, (errno.EFBIG, errno.EINVAL))
        self.assertEqual(self.read("f"), b"abc")


class Allocate(DataCase):
    def allocate(self, fd, mode, offset, length):
        try:
            syscalls.fallocate(fd, mode, offset, length)
        except OSError as e:
            if e.errno == errno.EOPNOTSUPP:
                self.skipTest("refused cleanly (EOPNOTSUPP)")
            raise

    def test_plain_extends_the_size_with_zeros(self):
        fd = self.rw(content=b"abc")
        self.allocate(fd, 0, 0, 10000)
        self.assertEqual(self.read("f"), b"abc" + bytes(9997))

    def test_plain_reserves_space(self):
        fd = self.rw()
        self.allocate(fd, 0, 0, 4 * MIB)
        self.assertGreaterEqual(os.fstat(fd).st_blocks * 512, 4 * MIB)

    def test_plain_keeps_what_is_there(self):
        data = pattern(20000)
        fd = self.rw(content=data)
        self.allocate(fd, 0, 1000, 5000)
        self.assertEqual(self.read("f"), data)

    def test_keep_size_keeps_the_size(self):
        fd = self.rw(content=b"abc")
        self.allocate(fd, syscalls.FALLOC_KEEP_SIZE, 0, MIB)
        self.assertEqual(self.read("f"), b"abc")

    def test_punching_a_hole(self):
        data = pattern(MIB)
        fd = self.rw(content=data)
        self.allocate(fd, syscalls.FALLOC_PUNCH_HOLE | syscalls.FALLOC_KEEP_SIZE, 100000, 300000)
        self.assertEqual(self.read("f"), data[:100000] + bytes(300000) + data[400000:])

    def test_punching_across_the_end_keeps_the_size(self):
        fd = self.rw(content=b"x" * 10000)
        self.allocate(fd, syscalls.FALLOC_PUNCH_HOLE | syscalls.FALLOC_KEEP_SIZE, 9000, 100000)
        self.assertEqual(self.read("f"), b"x" * 9000 + bytes(1000))

    def test_zeroing_a_range(self):
        data = pattern(100000)
        fd = self.rw(content=data)
        self.allocate(fd, syscalls.FALLOC_ZERO_RANGE, 500, 50000)
        self.assertEqual(self.read("f"), data[:500] + bytes(50000) + data[50500:])

    def test_zeroing_beyond_the_end_extends(self):
        fd = self.rw(content=b"x" * 100)
        self.allocate(fd, syscalls.FALLOC_ZERO_RANGE, 50, 1000)
        self.assertEqual(self.read("f"), b"x" * 50 + bytes(1000))

    def test_posix_fallocate(self):
        fd = self.rw(content=b"abc")
        os.posix_fallocate(fd, 0, 100000)
        self.assertEqual(os.fstat(fd).st_size, 100000)

    def test_length_zero_is_EINVAL(self):
        self.assertErrno(errno.EINVAL, syscalls.fallocate, self.rw(), 0, 0, 0)

    def test_read_only_descriptor_is_EBADF(self):
        self.make("f", b"x")
        fd = os.open(self.path("f"), os.O_RDONLY)
        self.addCleanup(os.close, fd)
        self.assertErrno(errno.EBADF, syscalls.fallocate, fd, 0, 0, 10)


if __name__ == "__main__":
    unittest.main()
