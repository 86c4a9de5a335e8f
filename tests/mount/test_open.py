"""open(2): flags, creation, and what each kind of descriptor may do."""
import errno
import fcntl
import os
import random
import stat
import unittest

from vcfs_test import syscalls
from vcfs_test.shared import StoreCase


class Open(StoreCase):
    def open(self, name, flags, mode=0o644):
        fd = os.open(self.path(name), flags, mode)
        self.addCleanup(_close_quietly, fd)
        return fd

    def test_creating_makes_an_empty_file(self):
        self.open("f", os.O_CREAT | os.O_WRONLY)
        st = os.stat(self.path("f"))
        self.assertEqual((st.st_size, st.st_nlink, stat.S_IFMT(st.st_mode)), (0, 1, stat.S_IFREG))

    def test_creating_applies_the_umask(self):
        old = os.umask(0o027)
        try:
            self.open("f", os.O_CREAT | os.O_WRONLY, 0o777)
            os.mkdir(self.path("d"), 0o777)
        finally:
            os.umask(old)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("f")).st_mode), 0o750)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("d")).st_mode), 0o750)

    def test_a_read_only_file_can_be_created_for_writing(self):
        fd = self.open("f", os.O_CREAT | os.O_WRONLY, 0o400)
        self.assertEqual(os.write(fd, b"abc"), 3)

    def test_creating_an_existing_file_keeps_it(self):
        self.make("f", b"keep", 0o604)
        self.open("f", os.O_CREAT | os.O_WRONLY, 0o777)
        self.assertEqual(self.read("f"), b"keep")
        self.assertEqual(stat.S_IMODE(os.stat(self.path("f")).st_mode), 0o604)

    def test_excl_refuses_an_existing_file(self):
        self.make("f", b"keep")
        self.assertErrno(errno.EEXIST, self.open, "f", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_TRUNC)
        self.assertEqual(self.read("f"), b"keep")

    def test_excl_refuses_a_dangling_symlink(self):
        os.symlink("absent", self.path("l"))
        self.assertErrno(errno.EEXIST, self.open, "l", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        self.assertFalse(os.path.exists(self.path("absent")))

    def test_creating_through_a_dangling_symlink_makes_the_target(self):
        os.symlink("target", self.path("l"))
        os.write(self.open("l", os.O_CREAT | os.O_WRONLY), b"x")
        self.assertEqual(self.read("target"), b"x")

    def test_trunc_empties_the_file(self):
        self.make("f", b"x" * 100000)
        self.open("f", os.O_WRONLY | os.O_TRUNC)
        self.assertEqual(os.stat(self.path("f")).st_size, 0)
        self.assertEqual(self.read("f"), b"")

    def test_trunc_keeps_inode_and_mode(self):
        self.make("f", b"x", 0o640)
        before = os.stat(self.path("f"))
        self.open("f", os.O_RDWR | os.O_TRUNC | os.O_CREAT, 0o777)
        after = os.stat(self.path("f"))
        self.assertEqual((before.st_ino, before.st_mode), (after.st_ino, after.st_mode))

    def test_reading_what_was_truncated_and_rewritten(self):
        self.make("f", b"old" * 1000)
        fd = self.open("f", os.O_RDWR | os.O_TRUNC)
        os.write(fd, b"new")
        self.assertEqual(os.pread(fd, 100, 0), b"new")
        self.assertEqual(self.read("f"), b"new")

    def test_a_file_that_is_opened_again_and_again_has_its_size(self):
        """Each open takes back the closing before it, which the catalog has not heard of."""
        chance = random.Random(1)
        fd, size = self.open("f", os.O_CREAT | os.O_RDWR), 0
        for number in range(400):
            for _ in range(chance.randrange(3)):
                if chance.randrange(2):
                    offset, data = chance.randrange(3_000_000), bytes(1 + chance.randrange(400_000))
                    os.pwrite(fd, data, offset)
                    size = max(size, offset + len(data))
                else:
                    size = chance.randrange(3_000_000)
                    os.ftruncate(fd, size)
            for _ in range(1 + chance.randrange(3)):
                os.close(fd)
                fd = os.open(self.path("f"), os.O_RDWR)
                if chance.randrange(2):
                    self.assertEqual(os.fstat(fd).st_size, size, f"round {number}")
        os.close(fd)

    def test_writing_a_read_only_descriptor_is_EBADF(self):
        self.make("f", b"x")
        self.assertErrno(errno.EBADF, os.write, self.open("f", os.O_RDONLY), b"y")

    def test_reading_a_write_only_descriptor_is_EBADF(self):
        self.assertErrno(errno.EBADF, os.read, self.open("f", os.O_CREAT | os.O_WRONLY), 1)

    def test_truncating_a_read_only_descriptor_is_EINVAL(self):
        self.make("f", b"x")
        self.assertErrno(errno.EINVAL, os.ftruncate, self.open("f", os.O_RDONLY), 0)

    def test_a_directory_cannot_be_opened_for_writing(self):
        os.mkdir(self.path("d"))
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_CREAT):
            self.assertErrno(errno.EISDIR, self.open, "d", flags)

    def test_reading_a_directory_is_EISDIR(self):
        self.assertErrno(errno.EISDIR, os.read, self.open(".", os.O_RDONLY), 10)

    def test_o_directory_refuses_a_file(self):
        self.make("f")
        self.assertErrno(errno.ENOTDIR, self.open, "f", os.O_RDONLY | os.O_DIRECTORY)

    def test_o_nofollow_refuses_a_symlink(self):
        self.make("f")
        os.symlink("f", self.path("l"))
        self.assertErrno(errno.ELOOP, self.open, "l", os.O_RDONLY | os.O_NOFOLLOW)

    def test_append_writes_at_the_end_wherever_the_offset_is(self):
        self.make("f", b"0123456789")
        fd = self.open("f", os.O_RDWR | os.O_APPEND)
        os.lseek(fd, 2, os.SEEK_SET)
        os.write(fd, b"AB")
        self.assertEqual(self.read("f"), b"0123456789AB")
        self.assertEqual(os.lseek(fd, 0, os.SEEK_CUR), 12)

    def test_append_after_truncation_by_another_descriptor(self):
        self.make("f", b"0123456789")
        fd = self.open("f", os.O_WRONLY | os.O_APPEND)
        os.truncate(self.path("f"), 4)
        os.write(fd, b"X")
        self.assertEqual(self.read("f"), b"0123X")

    def test_append_can_be_switched_on_and_off(self):
        path = self.make("f", b"0123456789")
        fd = os.open(path, os.O_RDWR | os.O_APPEND)
        self.addCleanup(os.close, fd)
        fcntl.fcntl(fd, fcntl.F_SETFL, 0)
        os.lseek(fd, 0, os.SEEK_SET)
        os.write(fd, b"AB")
        self.assertEqual(self.read("f"), b"AB23456789")
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
        os.lseek(fd, 0, os.SEEK_SET)
        os.write(fd, b"CD")
        self.assertEqual(self.read("f"), b"AB23456789CD")
        self.assertEqual(os.lseek(fd, 0, os.SEEK_CUR), 12)

    def test_a_plain_descriptor_can_become_an_appending_one(self):
        path = self.make("f", b"0123456789")
        fd, other = os.open(path, os.O_WRONLY), os.open(path, os.O_WRONLY | os.O_APPEND)
        self.addCleanup(os.close, fd)
        self.addCleanup(os.close, other)
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
        for i in range(20):
            os.write((fd, other)[i % 2], b"%02d" % i)
        self.assertEqual(self.read("f"), b"0123456789" + b"".join(b"%02d" % i for i in range(20)))

    def test_two_appending_descriptors_lose_nothing(self):
        a = self.open("f", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        b = self.open("f", os.O_WRONLY | os.O_APPEND)
        for i in range(50):
            os.write(a, b"a%03d" % i)
            os.write(b, b"b%03d" % i)
        self.assertEqual(self.read("f"), b"".join(b"a%03db%03d" % (i, i) for i in range(50)))

    def test_o_sync_and_o_dsync_write(self):
        for name, flag in (("s", os.O_SYNC), ("d", os.O_DSYNC)):
            os.write(self.open(name, os.O_CREAT | os.O_WRONLY | flag), b"durable")
            self.assertEqual(self.read(name), b"durable")

    def test_a_new_descriptor_reads_what_another_just_wrote(self):
        fd = self.open("f", os.O_CREAT | os.O_WRONLY)
        for i in range(20):
            os.write(fd, b"%08d" % i)
            self.assertEqual(self.read("f")[-8:], b"%08d" % i)

    def test_an_open_descriptor_reads_what_another_just_wrote(self):
        writer = self.open("f", os.O_CREAT | os.O_WRONLY)
        reader = self.open("f", os.O_RDONLY)
        for i in range(20):
            os.write(writer, b"%08d" % i)
            self.assertEqual(os.read(reader, 100), b"%08d" % i)
        self.assertEqual(os.read(reader, 100), b"")

    def test_dup_shares_the_offset(self):
        fd = self.open("f", os.O_CREAT | os.O_RDWR)
        copy = os.dup(fd)
        self.addCleanup(_close_quietly, copy)
        os.write(fd, b"abc")
        os.write(copy, b"def")
        self.assertEqual(self.read("f"), b"abcdef")

    def test_a_forked_child_writes_on(self):
        from vcfs_test.identity import in_child
        fd = self.open("f", os.O_CREAT | os.O_RDWR)
        os.write(fd, b"parent ")
        in_child(os.write, fd, b"child")
        self.assertEqual(self.read("f"), b"parent child")

    def test_tmpfile_works_or_is_refused_cleanly(self):
        try:
            fd = os.open(self.dir, os.O_TMPFILE | os.O_RDWR, 0o600)
        except OSError as e:
            self.assertEqual(e.errno, errno.EOPNOTSUPP)
            return
        self.addCleanup(_close_quietly, fd)
        os.write(fd, b"hidden")
        self.assertEqual(os.listdir(self.dir), [])
        syscalls.linkat_fd(fd, self.path("shown"))
        self.assertEqual(self.read("shown"), b"hidden")

    def test_opening_many_files_at_once(self):
        fds = [self.open(f"f{i}", os.O_CREAT | os.O_RDWR) for i in range(300)]
        for i, fd in enumerate(fds):
            os.write(fd, b"%d" % i)
        self.assertEqual([os.pread(fd, 10, 0) for fd in fds], [b"%d" % i for i in range(300)])

    def test_running_a_program_from_the_store(self):
        script = self.make("run.sh", b"#!/bin/sh\necho ran\n", 0o755)
        self.assertEqual(self.run_tool(script), "ran\n")

    def test_running_a_binary_from_the_store(self):
        import shutil
        shutil.copy("/bin/true", self.path("true"))
        self.run_tool(self.path("true"))

    def test_writing_a_running_binary_is_ETXTBSY(self):
        import shutil
        import subprocess
        shutil.copy("/bin/sleep", self.path("sleep"))
        running = subprocess.Popen([self.path("sleep"), "20"])
        try:
            self.assertErrno(errno.ETXTBSY, self.open, "sleep", os.O_WRONLY)
        finally:
            running.kill()
            running.wait()


def _close_quietly(fd):
    try:
        os.close(fd)
    except OSError:
        pass


if __name__ == "__main__":
    unittest.main()
