"""Which call moves which time stamp, that given ones are kept to the nanosecond, and that what a change moved stays."""
import mmap
import os
import time
import unittest

from vcfs_test.expand import each, expand
from vcfs_test.shared import StoreCase, cluster
from vcfs_test.syscalls import UTIME_NOW, UTIME_OMIT, utimensat
from vcfs_test.wait import wait_for

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


def _write_direct(fd, path):
    page = mmap.mmap(-1, 4096)
    page.write(b"d" * 4096)
    direct = os.open(path, os.O_WRONLY | os.O_DIRECT)
    os.pwrite(direct, page, 0)
    return [direct]  # open: a close would send it


def _write_mapped(fd, path):
    with mmap.mmap(fd, 4096) as pages:
        pages[10:14] = b"mmap"
        pages.flush()


def _append(fd, path):
    appending = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(appending, b"one")
    os.write(appending, b"two")
    return [appending]


def _copy_range(fd, path):
    source = os.open(path + ".source", os.O_RDONLY)
    try:
        os.copy_file_range(source, fd, 3000, 0, 500)
    finally:
        os.close(source)


def _write_apart(fd, path):
    for at in (1, 9000, 4000):
        os.pwrite(fd, b"x", at)


CHANGES = [
    # name, what changes the bytes; a list that it returns is of descriptors to be closed
    ("write_at_the_end", lambda fd, path: os.pwrite(fd, b"more", 10000)),
    ("write_into_the_middle", lambda fd, path: os.pwrite(fd, b"other", 5000)),
    ("three_writes_apart", _write_apart),
    ("write_of_several_segments", lambda fd, path: os.pwrite(fd, b"large" * 1_000_000, 0)),
    ("append", _append),
    ("truncate_down", lambda fd, path: os.ftruncate(fd, 5)),
    ("truncate_up", lambda fd, path: os.ftruncate(fd, 20000)),
    ("truncate_by_path", lambda fd, path: os.truncate(path, 17)),
    ("fallocate", lambda fd, path: os.posix_fallocate(fd, 0, 100_000)),
    ("copy_file_range", _copy_range),
    ("write_past_the_page_cache", _write_direct),
    ("stored_pages", _write_mapped),
]

_mounts = {}


def mount_of_a_host(ahead_ms=0):
    """Another mount of the same store, on a host whose clock is so far ahead."""
    if ahead_ms not in _mounts:
        _mounts[ahead_ms] = cluster().mount_again(f"ahead{ahead_ms}", ahead_ms=ahead_ms)
    return str(_mounts[ahead_ms])


def moved(st):
    return st.st_mtime_ns, st.st_ctime_ns


@expand
class TimesOfChanges(StoreCase):
    """As on a local disk, mtime and ctime are final when the call that moved them returns."""

    def there(self, path, ahead_ms=0):
        return os.path.join(mount_of_a_host(ahead_ms), os.path.relpath(path, cluster().mount))

    def at_the_servers(self, path):
        return cluster().stat(self.store_path(path))["mtime_ns"]

    def open(self, path, flags=os.O_RDWR):
        fd = os.open(path, flags)
        self.addCleanup(self.close, fd)
        return fd

    @staticmethod
    def close(fd):
        try:
            os.close(fd)
        except OSError:
            pass  # by the test

    @each(CHANGES)
    def test_stay_after(self, change):
        self.make("f.source", b"source" * 1000)
        path = self.make("f", b"content" * 1000)
        before = self.at_the_servers(path)
        fd = self.open(path)
        fds = [fd]
        more = change(fd, path)
        if isinstance(more, list):
            fds += more
        shown = moved(os.fstat(fd))
        self.assertGreater(shown[0], before)
        self.assertEqual(shown[0], shown[1])
        wait_for(lambda: self.at_the_servers(path) != before, what="the change at the servers")
        self.assertEqual(moved(os.fstat(fd)), shown, "when the servers have it")
        self.assertEqual(self.at_the_servers(path), shown[0])
        self.assertEqual(moved(os.stat(self.there(path))), shown, "on another host")
        other = self.open(path, os.O_RDONLY)
        self.assertEqual(moved(os.fstat(other)), shown, "by another open")
        os.fsync(fd)
        self.assertEqual(moved(os.fstat(fd)), shown, "after fsync")
        for one in fds:
            os.close(one)
        self.assertEqual(moved(os.stat(path)), shown, "after close")
        cluster().wait_sealed()
        self.assertEqual(moved(os.fstat(other)), shown, "when the catalog has it")
        self.assertEqual(moved(os.stat(self.there(path))), shown, "on another host, when the catalog has it")
        self.assertEqual(self.at_the_servers(path), shown[0])

    @each([("fsync", os.fsync), ("fdatasync", os.fdatasync)])
    def test_of_a_new_file_stay_after(self, sync):
        path = self.path("f")
        fd = self.open(path, os.O_RDWR | os.O_CREAT)
        os.write(fd, b"content")
        shown = moved(os.fstat(fd))
        sync(fd)
        self.assertEqual(moved(os.fstat(fd)), shown)
        os.close(fd)
        self.assertEqual(moved(os.stat(path)), shown)
        self.assertEqual(moved(os.stat(self.there(path))), shown)

    def test_of_a_new_file_stay_after_a_close_that_sends_it(self):
        path = self.path("f")
        fd = self.open(path, os.O_RDWR | os.O_CREAT)
        os.write(fd, b"content")
        shown = moved(os.fstat(fd))
        os.close(fd)
        self.assertEqual(moved(os.stat(path)), shown)
        self.assertEqual(moved(os.stat(self.there(path))), shown)

    def test_of_each_write_are_later_than_those_of_the_one_before(self):
        cluster()  # a local disk's clock has ticks
        fd = self.open(self.make("f", b"x"))
        seen = []
        for i in range(200):
            os.pwrite(fd, b"%d" % (i % 10), 0)
            seen.append(os.fstat(fd).st_mtime_ns)
        self.assertEqual(seen, sorted(set(seen)))

    def test_stay_on_a_host_whose_clock_is_ahead_once_that_is_known(self):
        fd = self.open(self.there(self.make("f", b"x"), 400))
        os.pwrite(fd, b"first", 0)
        os.fsync(fd)
        os.pwrite(fd, b"second", 0)
        shown = os.fstat(fd).st_mtime_ns
        os.fsync(fd)
        self.assertEqual(os.fstat(fd).st_mtime_ns, shown)

    def test_of_writes_on_two_hosts_are_later_than_those_of_the_one_before(self):
        path = self.make("f", b"x")
        fds = [self.open(path), self.open(self.there(path)), self.open(self.there(path, -400))]
        seen = [self.at_the_servers(path)]
        for i in range(15):
            fd = fds[i % len(fds)]
            os.pwrite(fd, b"%d" % (i % 10), 0)
            os.fsync(fd)
            seen.append(self.at_the_servers(path))
        self.assertEqual(seen, sorted(set(seen)))

    @each([("half_a_second", -500, False), ("half_a_second_that_had_it_open", -500, True), ("five_seconds", -5000, False)])
    def test_of_a_write_after_utimens_move_though_the_hosts_clock_is_behind_by(self, ahead_ms, opens_before):
        path = self.make("f", b"content")
        made = self.at_the_servers(path)
        # By that host's clock too the write comes after the one before.
        wait_for(lambda: time.time_ns() - made > 6 * 10**8, what="the file to be older than the clocks are apart")
        fd = self.open(self.there(path, ahead_ms)) if opens_before else None
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
        if fd is None:
            fd = self.open(self.there(path, ahead_ms))
        set_at = os.stat(path).st_ctime_ns
        wait_for(lambda: os.fstat(fd).st_mtime_ns == LONG_AGO, what="the other host to know of utimens")
        os.pwrite(fd, b"written", 0)
        os.fsync(fd)
        written = os.fstat(fd).st_mtime_ns
        self.assertGreater(written, set_at)
        wait_for(lambda: os.stat(path).st_mtime_ns == written, what="the first host to see the write")
        os.close(fd)
        cluster().wait_sealed()
        self.assertEqual(os.stat(path).st_mtime_ns, written, "when the catalog has it")

    def test_are_not_in_the_future_though_the_hosts_clock_is_ahead(self):
        path = self.make("f", b"content")
        fd = self.open(self.there(path, 3_600_000))
        os.pwrite(fd, b"written", 0)
        os.fsync(fd)
        self.assertLessEqual(self.at_the_servers(path), time.time_ns())

    def test_after_utimens_to_the_future_are_those_of_the_write(self):
        path = self.make("f", b"content")
        future = time.time_ns() + 10**12
        os.utime(path, ns=(future, future))
        fd = self.open(path)
        os.pwrite(fd, b"written", 0)
        shown = moved(os.fstat(fd))
        self.assertLessEqual(shown[0], time.time_ns())
        os.fsync(fd)
        self.assertEqual(moved(os.fstat(fd)), shown)


if __name__ == "__main__":
    unittest.main()
