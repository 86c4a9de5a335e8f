"""rename(2) and renameat2(2)."""
import errno
import os
import threading
import time
import unittest

from vcfs_test import syscalls
from vcfs_test.expand import each, expand
from vcfs_test.shared import StoreCase

KINDS = ("file", "symlink", "fifo", "empty_directory", "full_directory")
DIRECTORIES = ("empty_directory", "full_directory")


def _matrix():
    for source in KINDS:
        for target in ("nothing", *KINDS):
            yield (f"{source}_over_{target}", source, target)


def _expected(source, target):
    """The errno that Linux answers, or None."""
    if target == "nothing":
        return None
    if source in DIRECTORIES:
        if target not in DIRECTORIES:
            return errno.ENOTDIR
        return errno.ENOTEMPTY if target == "full_directory" else None
    return errno.EISDIR if target in DIRECTORIES else None


class RenameCase(StoreCase):
    def make_kind(self, kind, name):
        path = self.path(name)
        if kind == "file":
            self.make(name, name.encode())
        elif kind == "symlink":
            os.symlink("target of " + name, path)
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind.endswith("directory"):
            os.mkdir(path)
            if kind == "full_directory":
                self.make(name + "/inner", name.encode())
        return path

    def identity(self, path):
        st = os.lstat(path)
        return st.st_ino, st.st_mode


@expand
class Rename(RenameCase):
    @each(_matrix())
    def test(self, source, target):
        old = self.make_kind(source, "old")
        new = self.path("new") if target == "nothing" else self.make_kind(target, "new")
        before = self.identity(old)
        wrong = _expected(source, target)
        if wrong:
            other = self.identity(new)
            self.assertErrno(wrong, os.rename, old, new)
            self.assertEqual((self.identity(old), self.identity(new)), (before, other))
        else:
            os.rename(old, new)
            self.assertEqual(self.identity(new), before)
            self.assertEqual(os.listdir(self.dir), ["new"])

    @each([(k, k) for k in KINDS])
    def test_into_another_directory(self, kind):
        os.makedirs(self.path("a/b"))
        os.makedirs(self.path("c"))
        old = self.make_kind(kind, "a/b/old")
        before = self.identity(old)
        os.rename(old, self.path("c/new"))
        self.assertEqual(self.identity(self.path("c/new")), before)
        self.assertEqual((os.listdir(self.path("a/b")), os.listdir(self.path("c"))), ([], ["new"]))

    @each([(k, k) for k in KINDS])
    def test_noreplace_refuses_an_existing(self, kind):
        self.make_kind("file", "old")
        self.make_kind(kind, "new")
        self.assertErrno(errno.EEXIST, syscalls.renameat2, self.path("old"), self.path("new"), syscalls.RENAME_NOREPLACE)
        self.assertEqual(sorted(os.listdir(self.dir)), ["new", "old"])

    def test_noreplace_to_a_free_name(self):
        self.make_kind("file", "old")
        syscalls.renameat2(self.path("old"), self.path("new"), syscalls.RENAME_NOREPLACE)
        self.assertEqual(os.listdir(self.dir), ["new"])

    @each([(f"{a}_with_{b}", a, b) for a in KINDS for b in KINDS])
    def test_exchange(self, a, b):
        os.mkdir(self.path("x"))
        os.mkdir(self.path("y"))
        first, second = self.make_kind(a, "x/a"), self.make_kind(b, "y/b")
        before = self.identity(first), self.identity(second)
        syscalls.renameat2(first, second, syscalls.RENAME_EXCHANGE)
        self.assertEqual((self.identity(second), self.identity(first)), before)

    def test_exchange_with_nothing_is_ENOENT(self):
        self.make_kind("file", "a")
        self.assertErrno(errno.ENOENT, syscalls.renameat2, self.path("a"), self.path("b"), syscalls.RENAME_EXCHANGE)

    def test_exchange_keeps_link_counts_of_parents(self):
        os.makedirs(self.path("x/d"))
        os.mkdir(self.path("y"))
        self.make("y/f")
        syscalls.renameat2(self.path("x/d"), self.path("y/f"), syscalls.RENAME_EXCHANGE)
        self.assertEqual((os.stat(self.path("x")).st_nlink, os.stat(self.path("y")).st_nlink), (2, 3))

    def test_unknown_flags_are_EINVAL(self):
        self.make("a")
        self.assertErrno(errno.EINVAL, syscalls.renameat2, self.path("a"), self.path("b"), 1 << 20)
        self.assertErrno(errno.EINVAL, syscalls.renameat2, self.path("a"), self.path("b"),
                         syscalls.RENAME_NOREPLACE | syscalls.RENAME_EXCHANGE)

    def test_to_itself_changes_nothing(self):
        path = self.make("f", b"content")
        os.rename(path, path)
        self.assertEqual(self.read("f"), b"content")

    def test_to_another_link_of_the_same_file_changes_nothing(self):
        self.make("a", b"content")
        os.link(self.path("a"), self.path("b"))
        os.rename(self.path("a"), self.path("b"))
        self.assertEqual(sorted(os.listdir(self.dir)), ["a", "b"])
        self.assertEqual(os.stat(self.path("a")).st_nlink, 2)

    def test_directory_into_itself_is_EINVAL(self):
        os.makedirs(self.path("a/b/c"))
        for target in ("a/x", "a/b/x", "a/b/c/x"):
            self.assertErrno(errno.EINVAL, os.rename, self.path("a"), self.path(target))

    def test_over_an_ancestor_is_ENOTEMPTY(self):
        os.makedirs(self.path("a/b/c"))
        self.assertErrno(errno.ENOTEMPTY, os.rename, self.path("a/b/c"), self.path("a"))

    def test_of_dot_is_EBUSY_or_EINVAL(self):
        os.mkdir(self.path("a"))
        for source, target in (("a/.", "b"), ("a/..", "b"), ("a", "b/.")):
            with self.assertRaises(OSError) as caught:
                os.rename(self.path(source), self.path(target))
            self.assertIn(caught.exception.errno, (errno.EBUSY, errno.EINVAL, errno.ENOENT))

    def test_a_replaced_file_loses_a_link(self):
        self.make("victim", b"v")
        os.link(self.path("victim"), self.path("other"))
        self.make("new", b"n")
        os.rename(self.path("new"), self.path("victim"))
        self.assertEqual((os.stat(self.path("other")).st_nlink, self.read("other"), self.read("victim")), (1, b"v", b"n"))

    def test_moving_a_directory_moves_the_parents_link(self):
        os.makedirs(self.path("a/d"))
        os.mkdir(self.path("b"))
        os.rename(self.path("a/d"), self.path("b/d"))
        self.assertEqual((os.stat(self.path("a")).st_nlink, os.stat(self.path("b")).st_nlink), (2, 3))

    def test_dot_dot_of_a_moved_directory(self):
        os.makedirs(self.path("a/d"))
        os.mkdir(self.path("b"))
        os.rename(self.path("a/d"), self.path("b/d"))
        self.assertEqual(os.stat(self.path("b/d/..")).st_ino, os.stat(self.path("b")).st_ino)

    def test_paths_below_a_renamed_directory(self):
        os.makedirs(self.path("a/b/c"))
        self.make("a/b/c/f", b"deep")
        os.rename(self.path("a"), self.path("z"))
        self.assertEqual(self.read("z/b/c/f"), b"deep")
        self.assertErrno(errno.ENOENT, os.stat, self.path("a/b/c/f"))

    def test_an_open_file_is_written_on_under_its_new_name(self):
        fd = os.open(self.path("part"), os.O_CREAT | os.O_WRONLY)
        os.write(fd, b"before ")
        os.rename(self.path("part"), self.path("whole"))
        os.write(fd, b"after")
        os.close(fd)
        self.assertEqual(self.read("whole"), b"before after")

    def test_replacing_is_atomic_for_readers(self):
        self.make("f", b"0" * 1000)
        stop, wrong = threading.Event(), []

        def read_on():
            while not stop.is_set():
                try:
                    data = self.read("f")
                    if len(data) != 1000 or len(set(data)) != 1:
                        wrong.append(data[:40])
                except OSError as e:
                    wrong.append(e)
        reader = threading.Thread(target=read_on)
        reader.start()
        for i in range(200):
            self.make("tmp", b"%d" % (i % 10) * 1000)
            os.rename(self.path("tmp"), self.path("f"))
        stop.set()
        reader.join()
        self.assertEqual(wrong, [])

    def test_ctime_of_the_renamed_and_mtime_of_the_parents_move(self):
        os.mkdir(self.path("a"))
        os.mkdir(self.path("b"))
        self.make("a/f")
        for folder in "ab":
            os.utime(self.path(folder), (1, 1))
        os.rename(self.path("a/f"), self.path("b/f"))
        self.assertGreater(os.stat(self.path("a")).st_mtime, 1000)
        self.assertGreater(os.stat(self.path("b")).st_mtime, 1000)

    def test_exchanging_moves_ctime_of_both(self):
        for kind, make in (("file", self.make), ("directory", lambda name: os.mkdir(self.path(name)))):
            with self.subTest(kind):
                paths = [self.path(kind + end) for end in "ab"]
                make(kind + "a")
                make(kind + "b")
                before = [os.stat(path).st_ctime_ns for path in paths]
                time.sleep(0.012)
                syscalls.renameat2(paths[0], paths[1], syscalls.RENAME_EXCHANGE)
                after = [os.stat(path).st_ctime_ns for path in paths]
                self.assertGreater(after[1], before[0])
                self.assertGreater(after[0], before[1])

    def test_sibling_directories_can_be_swapped_through_a_third_name(self):
        for name in "ab":
            os.mkdir(self.path(name))
            self.make(f"{name}/{name}")
        os.rename(self.path("a"), self.path("t"))
        os.rename(self.path("b"), self.path("a"))
        os.rename(self.path("t"), self.path("b"))
        self.assertEqual((os.listdir(self.path("a")), os.listdir(self.path("b"))), (["b"], ["a"]))


if __name__ == "__main__":
    unittest.main()
