"""Which call moves which time stamp, and that given ones are kept to the nanosecond."""
import os
import time
import unittest

from vcfs_test.expand import each, expand
from vcfs_test.shared import StoreCase
from vcfs_test.syscalls import UTIME_NOW, UTIME_OMIT, utimensat

LONG_AGO = 10**18  # ns: in 2001


def times(path):
    st = os.lstat(path)
    return {"atime": st.st_atime_ns, "mtime": st.st_mtime_ns, "ctime": st.st_ctime_ns}


def _chown_same(path):
    os.chown(path, os.geteuid(), os.getegid())


def _write(path):
    with open(path, "r+b") as f:
        f.write(b"new")


def _write_nothing(path):
    with open(path, "r+b") as f:
        os.write(f.fileno(), b"")


MOVES = [
    # name, call, what moves
    ("write", _write, {"mtime", "ctime"}),
    ("truncate_down", lambda p: os.truncate(p, 1), {"mtime", "ctime"}),
    ("truncate_up", lambda p: os.truncate(p, 100), {"mtime", "ctime"}),
    ("chmod", lambda p: os.chmod(p, 0o600), {"ctime"}),
    ("chown", _chown_same, {"ctime"}),
    ("chown_of_nothing", lambda p: os.chown(p, -1, -1), {"ctime"}),
    ("link", lambda p: os.link(p, p + ".link"), {"ctime"}),
    ("rename", lambda p: (os.rename(p, p + ".new"), os.rename(p + ".new", p)), {"ctime"}),
    ("setxattr", lambda p: os.setxattr(p, "user.a", b"1"), {"ctime"}),
    ("open_trunc", lambda p: open(p, "wb").close(), {"mtime", "ctime"}),
    ("stat", os.stat, set()),
    ("write_nothing", _write_nothing, set()),
    ("open_and_close", lambda p: open(p, "r+b").close(), set()),
    ("utime_atime_only", lambda p: utimensat(p, (5, 5), (0, UTIME_OMIT)), {"atime", "ctime"}),
    ("utime_mtime_only", lambda p: utimensat(p, (0, UTIME_OMIT), (5, 5)), {"mtime", "ctime"}),
    ("utime_neither", lambda p: utimensat(p, (0, UTIME_OMIT), (0, UTIME_OMIT)), set()),
]


@expand
class Times(StoreCase):
    def old_file(self, name="f"):
        path = self.make(name, b"content")
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
        return path

    @each(MOVES)
    def test_moved_by(self, call, moved):
        path = self.old_file()
        before = times(path)
        time.sleep(0.012)  # ctime cannot be set back: let the kernel's clock tick
        call(path)
        after = times(path)
        self.assertEqual({k for k in before if before[k] != after[k]}, moved)

    @each([(str(ns).replace("-", "minus"), ns) for ns in (0, 1, 999_999_999, 10**18 + 123456789, 4 * 10**18 + 1, -1, -(10**9) - 5)])
    def test_nanoseconds_are_kept(self, ns):
        path = self.make("f")
        os.utime(path, ns=(ns, ns + 7))
        st = os.stat(path)
        self.assertEqual((st.st_atime_ns, st.st_mtime_ns), (ns, ns + 7))

    def test_now_is_now(self):
        path = self.old_file()
        utimensat(path, (0, UTIME_NOW), (0, UTIME_NOW))
        st = os.stat(path)
        self.assertLess(abs(st.st_mtime - time.time()), 5)
        self.assertEqual(st.st_atime_ns, st.st_mtime_ns)

    def test_new_files_are_of_now(self):
        for value in times(self.make("f")).values():
            self.assertLess(abs(value / 1e9 - time.time()), 5)

    def test_times_of_a_directory(self):
        os.mkdir(self.path("d"))
        os.utime(self.path("d"), ns=(11, 12))
        st = os.stat(self.path("d"))
        self.assertEqual((st.st_atime_ns, st.st_mtime_ns), (11, 12))

    def test_times_of_a_symlink(self):
        os.symlink("x", self.path("l"))
        os.utime(self.path("l"), ns=(11, 12), follow_symlinks=False)
        st = os.lstat(self.path("l"))
        self.assertEqual(st.st_mtime_ns, 12)

    def test_set_times_stay_when_an_open_file_is_closed(self):
        path = self.path("f")
        with open(path, "wb", buffering=0) as f:
            f.write(b"x" * 100000)
            os.utime(f.fileno(), ns=(11, 12))
        st = os.stat(path)
        self.assertEqual((st.st_atime_ns, st.st_mtime_ns), (11, 12))

    def test_set_times_stay_when_set_by_path_while_open(self):
        path = self.path("f")
        with open(path, "wb", buffering=0) as f:
            f.write(b"x" * 100000)
            os.utime(path, ns=(11, 12))
        time.sleep(0.2)
        self.assertEqual(os.stat(path).st_mtime_ns, 12)

    def test_mtime_does_not_change_after_close(self):
        path = self.make("f", b"x" * 100000)
        first = os.stat(path).st_mtime_ns
        time.sleep(0.3)
        self.assertEqual(os.stat(path).st_mtime_ns, first)

    def test_mtime_never_goes_back_while_writing(self):
        last = 0
        with open(self.path("f"), "wb", buffering=0) as f:
            for _ in range(30):
                f.write(b"x" * 1000)
                now = os.fstat(f.fileno()).st_mtime_ns
                self.assertGreaterEqual(now, last)
                last = now
                time.sleep(0.005)

    def test_mtime_of_an_open_file_does_not_go_back_when_something_else_is_changed(self):
        path = self.make("f", b"x")
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
        with open(path, "r+b", buffering=0) as f:
            f.write(b"y")
            written = os.stat(path).st_mtime_ns
            self.assertGreater(written, LONG_AGO)
            time.sleep(0.012)
            for change in (lambda: os.chmod(path, 0o600), lambda: os.link(path, path + ".l"),
                           lambda: os.setxattr(path, "user.a", b"1")):
                change()
                self.assertGreaterEqual(os.stat(path).st_mtime_ns, written)
            os.utime(path, ns=(11, 12))
            os.chmod(path, 0o644)
            self.assertEqual(os.stat(path).st_mtime_ns, 12)
        self.assertEqual(os.stat(path).st_mtime_ns, 12)

    def test_touch_of_an_absent_name_makes_it(self):
        self.run_tool("touch", "-d", "2020-02-02T02:02:02.123456789", self.path("f"))
        self.assertEqual(os.stat(self.path("f")).st_mtime_ns % 10**9, 123456789)


if __name__ == "__main__":
    unittest.main()
