"""Hard links, symbolic links, unlink, and files that live on without a name."""
import errno
import os
import stat
import unittest

from vcfs_test.files import pattern
from vcfs_test.shared import StoreCase
from vcfs_test.syscalls import RENAME_EXCHANGE, renameat2
from vcfs_test.wait import wait_for


class HardLinks(StoreCase):
    def test_both_names_are_one_file(self):
        self.make("a", b"1")
        os.link(self.path("a"), self.path("b"))
        a, b = os.stat(self.path("a")), os.stat(self.path("b"))
        self.assertEqual((a.st_ino, a.st_nlink), (b.st_ino, 2))

    def test_writing_one_name_is_seen_through_the_other(self):
        self.make("a", b"1")
        os.link(self.path("a"), self.path("b"))
        self.make("b", b"changed")
        self.assertEqual(self.read("a"), b"changed")

    def test_attributes_are_shared(self):
        self.make("a")
        os.link(self.path("a"), self.path("b"))
        os.chmod(self.path("a"), 0o604)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("b")).st_mode), 0o604)

    def test_unlinking_one_keeps_the_other(self):
        self.make("a", b"content")
        os.link(self.path("a"), self.path("b"))
        os.unlink(self.path("a"))
        self.assertEqual((self.read("b"), os.stat(self.path("b")).st_nlink), (b"content", 1))

    def test_many_links(self):
        self.make("f")
        for i in range(200):
            os.link(self.path("f"), self.path(f"l{i}"))
        self.assertEqual(os.stat(self.path("f")).st_nlink, 201)
        for i in range(200):
            os.unlink(self.path(f"l{i}"))
        self.assertEqual(os.stat(self.path("f")).st_nlink, 1)

    def test_across_directories(self):
        os.mkdir(self.path("d"))
        self.make("a", b"x")
        os.link(self.path("a"), self.path("d/b"))
        os.unlink(self.path("a"))
        self.assertEqual(self.read("d/b"), b"x")

    def test_directory_is_EPERM(self):
        os.mkdir(self.path("d"))
        self.assertErrno(errno.EPERM, os.link, self.path("d"), self.path("e"))

    def test_existing_target_is_EEXIST(self):
        self.make("a")
        self.make("b")
        self.assertErrno(errno.EEXIST, os.link, self.path("a"), self.path("b"))

    def test_of_a_symlink_links_the_symlink(self):
        os.symlink("target", self.path("s"))
        os.link(self.path("s"), self.path("t"), follow_symlinks=False)
        self.assertEqual((os.readlink(self.path("t")), os.lstat(self.path("s")).st_nlink), ("target", 2))

    def test_of_a_fifo(self):
        os.mkfifo(self.path("p"))
        os.link(self.path("p"), self.path("q"))
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path("q")).st_mode))

    def test_of_an_open_file_being_written(self):
        fd = os.open(self.path("a"), os.O_CREAT | os.O_WRONLY)
        os.write(fd, b"one ")
        os.link(self.path("a"), self.path("b"))
        os.write(fd, b"two")
        self.assertEqual(self.read("b"), b"one two")
        os.close(fd)

    def test_lock_file_by_link_is_won_by_one(self):
        self.make("mine")
        self.make("yours")
        os.link(self.path("mine"), self.path("lock"))
        self.assertErrno(errno.EEXIST, os.link, self.path("yours"), self.path("lock"))

    def test_ctime_moves(self):
        self.make("a")
        before = os.stat(self.path("a")).st_ctime_ns
        wait_for(lambda: _touch_and_time(self.path("clock")) > before, 5, "the clock")
        os.link(self.path("a"), self.path("b"))
        self.assertGreater(os.stat(self.path("a")).st_ctime_ns, before)


class SymbolicLinks(StoreCase):
    def test_are_followed(self):
        self.make("f", b"content")
        os.symlink("f", self.path("l"))
        self.assertEqual(self.read("l"), b"content")

    def test_size_is_the_targets_length(self):
        os.symlink("äöü", self.path("l"))
        self.assertEqual(os.lstat(self.path("l")).st_size, 6)

    def test_type_and_mode(self):
        os.symlink("x", self.path("l"))
        st = os.lstat(self.path("l"))
        self.assertEqual((stat.S_IFMT(st.st_mode), stat.S_IMODE(st.st_mode), st.st_nlink), (stat.S_IFLNK, 0o777, 1))

    def test_to_a_directory_is_walked(self):
        os.mkdir(self.path("d"))
        self.make("d/f", b"x")
        os.symlink("d", self.path("l"))
        self.assertEqual(self.read("l/f"), b"x")

    def test_chains_of_40_work_and_of_41_do_not(self):
        self.make("0", b"end")
        for i in range(1, 42):
            os.symlink(str(i - 1), self.path(str(i)))
        self.assertEqual(self.read("40"), b"end")
        self.assertErrno(errno.ELOOP, os.stat, self.path("41"))

    def test_absolute_target(self):
        self.make("f", b"content")
        os.symlink(self.path("f"), self.path("l"))
        self.assertEqual(self.read("l"), b"content")

    def test_leaving_the_store(self):
        os.symlink("/etc/hostname", self.path("l"))
        with open("/etc/hostname", "rb") as f:
            self.assertEqual(self.read("l"), f.read())

    def test_target_of_4095_bytes(self):
        target = "a/" * 2047 + "b"
        os.symlink(target, self.path("l"))
        self.assertEqual(os.readlink(self.path("l")), target)

    def test_unlink_removes_the_link(self):
        self.make("f", b"x")
        os.symlink("f", self.path("l"))
        os.unlink(self.path("l"))
        self.assertEqual(os.listdir(self.dir), ["f"])

    def test_lchown_changes_the_link(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        self.make("f")
        os.symlink("f", self.path("l"))
        os.lchown(self.path("l"), 123, 456)
        st, target = os.lstat(self.path("l")), os.stat(self.path("l"))
        self.assertEqual((st.st_uid, st.st_gid, target.st_uid), (123, 456, 0))

    def test_readlink_of_a_file_is_EINVAL(self):
        self.assertErrno(errno.EINVAL, os.readlink, self.make("f"))
        self.assertErrno(errno.EINVAL, os.readlink, self.dir)

    def test_empty_target_is_ENOENT(self):
        self.assertErrno(errno.ENOENT, os.symlink, "", self.path("l"))

    def test_rmdir_of_a_link_to_a_directory_is_ENOTDIR(self):
        os.mkdir(self.path("d"))
        os.symlink("d", self.path("l"))
        self.assertErrno(errno.ENOTDIR, os.rmdir, self.path("l"))


class NamelessFiles(StoreCase):
    """Unlinked or replaced while open."""

    def test_an_unlinked_file_is_read_and_written_on(self):
        self.make("f", pattern(100000))
        fd = os.open(self.path("f"), os.O_RDWR)
        os.unlink(self.path("f"))
        self.assertEqual(os.pread(fd, 100000, 0), pattern(100000))
        os.pwrite(fd, b"new bytes", 50000)
        self.assertEqual(os.pread(fd, 9, 50000), b"new bytes")
        self.assertEqual((os.fstat(fd).st_nlink, os.fstat(fd).st_size), (0, 100000))
        os.close(fd)

    def test_an_unlinked_file_leaves_no_hidden_name(self):
        fd = os.open(self.path("f"), os.O_CREAT | os.O_RDWR)
        os.unlink(self.path("f"))
        self.assertEqual(os.listdir(self.dir), [])
        os.write(fd, b"x")
        self.assertEqual(os.listdir(self.dir), [])
        os.close(fd)

    def test_the_directory_of_an_unlinked_open_file_can_be_removed(self):
        os.mkdir(self.path("d"))
        fd = os.open(self.path("d/f"), os.O_CREAT | os.O_RDWR)
        os.unlink(self.path("d/f"))
        os.rmdir(self.path("d"))
        os.write(fd, b"still here")
        self.assertEqual(os.pread(fd, 100, 0), b"still here")
        os.close(fd)

    def test_rm_r_with_open_files(self):
        os.makedirs(self.path("d/e"))
        fds = [os.open(self.path(f"d/e/f{i}"), os.O_CREAT | os.O_RDWR) for i in range(20)]
        self.run_tool("rm", "-r", self.path("d"))
        for fd in fds:
            os.write(fd, b"x")
            os.close(fd)

    def test_the_name_can_be_used_again(self):
        self.make("f", b"old")
        fd = os.open(self.path("f"), os.O_RDWR)
        old_inode = os.fstat(fd).st_ino
        os.unlink(self.path("f"))
        self.make("f", b"new")
        self.assertEqual((os.pread(fd, 10, 0), self.read("f")), (b"old", b"new"))
        self.assertNotEqual(os.stat(self.path("f")).st_ino, old_inode)
        os.close(fd)

    def test_a_replaced_file_is_read_to_its_end(self):
        self.make("f", pattern(1 << 20))
        fd = os.open(self.path("f"), os.O_RDONLY)
        self.make("g", b"new")
        os.rename(self.path("g"), self.path("f"))
        data = b"".join(iter(lambda: os.read(fd, 100000), b""))
        self.assertEqual(data, pattern(1 << 20))
        os.close(fd)

    def test_attributes_of_a_nameless_file_can_change(self):
        fd = os.open(self.path("f"), os.O_CREAT | os.O_RDWR)
        os.unlink(self.path("f"))
        os.fchmod(fd, 0o640)
        os.ftruncate(fd, 12345)
        os.utime(fd, ns=(5, 7))
        st = os.fstat(fd)
        self.assertEqual((stat.S_IMODE(st.st_mode), st.st_size, st.st_mtime_ns), (0o640, 12345, 7))
        os.close(fd)

    def test_fsync_and_close_of_a_nameless_file(self):
        fd = os.open(self.path("f"), os.O_CREAT | os.O_RDWR)
        os.unlink(self.path("f"))
        os.write(fd, pattern(300000))
        os.fsync(fd)
        os.close(fd)

    def test_a_mapping_outlives_the_name_and_the_descriptor(self):
        import mmap
        self.make("f", pattern(20000))
        fd = os.open(self.path("f"), os.O_RDONLY)
        view = mmap.mmap(fd, 20000, prot=mmap.PROT_READ)
        os.close(fd)
        os.unlink(self.path("f"))
        self.assertEqual(view[:], pattern(20000))
        view.close()

    def test_an_unlinked_directory_that_is_open_is_empty(self):
        os.mkdir(self.path("d"))
        fd = os.open(self.path("d"), os.O_RDONLY)
        os.rmdir(self.path("d"))
        self.assertEqual(os.listdir(fd), [])
        self.assertErrno(errno.ENOENT, os.open, "x", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
        os.close(fd)

    def test_a_removed_or_replaced_directory_that_is_open_has_no_links(self):
        for remove in (lambda: os.rmdir(self.path("d")), lambda: os.rename(self.path("e"), self.path("d"))):
            os.makedirs(self.path("d"), exist_ok=True)
            os.makedirs(self.path("e"), exist_ok=True)
            fd = os.open(self.path("d"), os.O_RDONLY)
            self.addCleanup(os.close, fd)
            self.assertEqual(os.fstat(fd).st_nlink, 2)
            remove()
            self.assertEqual(os.fstat(fd).st_nlink, 0)

    def test_a_renamed_directory_that_is_open_has_no_links_when_it_is_removed(self):
        for flags in (0, RENAME_EXCHANGE):
            os.mkdir(self.path("d"))
            os.mkdir(self.path("x"))
            fd = os.open(self.path("d"), os.O_RDONLY)
            self.addCleanup(os.close, fd)
            renameat2(self.path("d"), self.path("x"), flags)
            os.rmdir(self.path("x"))
            self.assertEqual(os.fstat(fd).st_nlink, 0)
            if flags:
                os.rmdir(self.path("d"))

    def test_a_process_in_a_removed_directory(self):
        os.mkdir(self.path("d"))
        out = self.run_tool("sh", "-c", f"cd {self.path('d')} && rmdir {self.path('d')} && (echo x > f) 2>/dev/null; echo $?")
        self.assertNotEqual(out.strip(), "0")


class Unlink(StoreCase):
    def test_of_a_directory_is_EISDIR(self):
        os.mkdir(self.path("d"))
        self.assertErrno(errno.EISDIR, os.unlink, self.path("d"))

    def test_gives_back_the_space_of_the_name(self):
        for _ in range(50):
            self.make("f", b"x")
            os.unlink(self.path("f"))
        self.assertEqual(os.listdir(self.dir), [])

    def test_moves_the_directorys_mtime(self):
        self.make("f")
        os.utime(self.dir, (1, 1))
        os.unlink(self.path("f"))
        self.assertGreater(os.stat(self.dir).st_mtime, 1000)


def _touch_and_time(path):
    with open(path, "w") as f:
        f.write("x")
    return os.stat(path).st_mtime_ns


if __name__ == "__main__":
    unittest.main()
