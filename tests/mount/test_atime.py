"""Reading moves atime as relatime has it, the default of local mounts; nothing else does, and a time that is set stays."""
import mmap
import os
import time
import unittest

from vcfs_test import env
from vcfs_test.expand import each, expand
from vcfs_test.shared import StoreCase, cluster
from vcfs_test.syscalls import UTIME_OMIT, utimensat
from vcfs_test.wait import wait_for

LONG_AGO = 10**18  # ns: in 2001
HOUR = 3600 * 10**9


def atime(path):
    return os.lstat(path).st_atime_ns


def tick():
    """Lets the kernel's coarse clock, by which a local directory's times go, move on."""
    time.sleep(0.012)


def _read(path):
    with open(path, "rb", buffering=0) as f:
        f.read(100)


def _map(path):
    with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
        m[0]


def _copy_range(path):
    with open(path, "rb", buffering=0) as f, open(path + ".copy", "wb", buffering=0) as to:
        os.copy_file_range(f.fileno(), to.fileno(), 100)


def _sendfile(path):
    with open(path, "rb", buffering=0) as f, open(path + ".copy", "wb", buffering=0) as to:
        os.sendfile(to.fileno(), f.fileno(), 0, 100)


def _no_atime(path):
    fd = os.open(path, os.O_RDONLY | os.O_NOATIME)
    os.read(fd, 100)
    os.close(fd)


def _direct(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    with mmap.mmap(-1, 4096) as page:
        os.readv(fd, [page])
    os.close(fd)


READS = [("read", _read), ("map", _map), ("copy_file_range", _copy_range), ("sendfile", _sendfile), ("direct", _direct),
         ("read_write_descriptor", lambda p: open(p, "r+b").read(1))]
OTHERS = [("open", lambda p: open(p, "rb").close()), ("stat", os.stat), ("write", lambda p: open(p, "r+b").write(b"x")),
          ("read_with_O_NOATIME", _no_atime), ("getxattr", os.listxattr), ("access", lambda p: os.access(p, os.R_OK)),
          ("read_nothing", lambda p: os.read(os.open(p, os.O_RDONLY), 0))]
TOUCHES = [("written", lambda p: open(p, "r+b").write(b"new")), ("chmod", lambda p: os.chmod(p, 0o600)),
           ("truncated", lambda p: os.truncate(p, 1)), ("linked", lambda p: os.link(p, p + ".link")),
           ("attribute", lambda p: os.setxattr(p, "user.a", b"1")),
           ("renamed", lambda p: (os.rename(p, p + ".n"), os.rename(p + ".n", p)))]


@expand
class Atime(StoreCase):
    def file(self, content=b"content"):
        path = self.make("f", content)
        tick()
        return path

    def settled(self):
        """A file whose atime is later than its other times."""
        path = self.file()
        _read(path)
        self.assertGreater(atime(path), os.stat(path).st_mtime_ns)
        tick()
        return path

    @each(READS)
    def test_moved_by(self, call):
        path = self.file()
        before = atime(path)
        call(path)
        after = atime(path)
        self.assertGreater(after, before)
        self.assertLess(abs(after / 1e9 - time.time()), 5)

    @each(OTHERS)
    def test_not_moved_by(self, call):
        path = self.file()
        before = atime(path)
        call(path)
        self.assertEqual(atime(path), before)

    @each(READS[:2] + READS[4:])
    def test_a_read_moves_nothing_but_atime(self, call):
        path = self.file()
        before = os.stat(path)
        call(path)
        after = os.stat(path)
        self.assertEqual((after.st_mtime_ns, after.st_ctime_ns), (before.st_mtime_ns, before.st_ctime_ns))

    def test_the_next_read_does_not_move_it(self):
        path = self.settled()
        before = atime(path)
        _read(path)
        self.assertEqual(atime(path), before)

    @each(TOUCHES)
    def test_moves_once_more_after(self, change):
        path = self.settled()
        before = atime(path)
        change(path)
        tick()
        self.assertEqual(atime(path), before)
        _read(path)
        self.assertGreater(atime(path), before)

    @each(TOUCHES)
    def test_a_descriptor_that_is_open_moves_it_once_more_after(self, change):
        path = self.settled()
        before = atime(path)
        with open(path, "rb", buffering=0) as f:
            f.read(1)
            change(path)
            tick()
            f.seek(0)
            f.read(1)
            self.assertGreater(os.fstat(f.fileno()).st_atime_ns, before)

    def test_an_old_atime_moves_by_the_next_read(self):
        path = self.settled()
        recent, old = time.time_ns() - HOUR, time.time_ns() - 25 * HOUR
        for given, moves in ((recent, True), (old, True)):  # ctime is now, whatever is set
            os.utime(path, ns=(given, 5))
            tick()
            _read(path)
            self.assertEqual(atime(path) > given, moves)

    def test_a_time_that_is_set_after_a_read_stays(self):
        path = self.file()
        for wait in (0, 0.3, 1.5):  # before, while and after the tracker is told
            _read(path)
            time.sleep(wait)
            utimensat(path, (LONG_AGO // 10**9, 7), (0, UTIME_OMIT))
            self.assertEqual(atime(path), LONG_AGO + 7)
            time.sleep(1.3)
            self.assertEqual(atime(path), LONG_AGO + 7)

    def test_a_time_that_is_set_back_to_what_it_was_stays(self):
        path = self.file()  # tar --atime-preserve
        before = os.stat(path)
        _read(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.assertEqual(atime(path), before.st_atime_ns)
        time.sleep(1.3)
        self.assertEqual(atime(path), before.st_atime_ns)

    def test_mtime_alone_is_set(self):
        path = self.file()
        _read(path)
        moved = atime(path)
        utimensat(path, (0, UTIME_OMIT), (5, 5))
        self.assertEqual(os.stat(path).st_atime_ns, moved)
        self.assertEqual(os.stat(path).st_mtime_ns, 5 * 10**9 + 5)

    def test_an_empty_file_is_read_too(self):
        path = self.file(b"")
        before = atime(path)
        _read(path)
        self.assertGreater(atime(path), before)

    def test_reading_a_file_while_it_is_written(self):
        with open(self.path("f"), "w+b", buffering=0) as f:
            last = 0
            for _ in range(3):
                f.write(b"x" * 5000)
                tick()
                os.pread(f.fileno(), 100, 0)
                now = os.fstat(f.fileno()).st_atime_ns
                self.assertGreater(now, last)
                last = now
            tick()
            os.pread(f.fileno(), 100, 0)
            self.assertEqual(os.fstat(f.fileno()).st_atime_ns, last)

    def test_a_directory_is_listed(self):
        os.mkdir(self.path("d"))
        tick()
        first = atime(self.path("d"))
        os.listdir(self.path("d"))
        listed = atime(self.path("d"))
        self.assertGreater(listed, first)
        tick()
        os.listdir(self.path("d"))
        self.assertEqual(atime(self.path("d")), listed)
        for change in (lambda: self.make("d/f"), lambda: os.mkdir(self.path("d/e")), lambda: os.rmdir(self.path("d/e")),
                       lambda: os.unlink(self.path("d/f"))):
            before = atime(self.path("d"))
            change()
            self.assertEqual(atime(self.path("d")), before)
            tick()
            os.listdir(self.path("d"))
            self.assertGreater(atime(self.path("d")), before)

    def test_a_directory_is_listed_with_O_NOATIME(self):
        os.mkdir(self.path("d"))
        tick()
        first = atime(self.path("d"))
        fd = os.open(self.path("d"), os.O_RDONLY | os.O_DIRECTORY | os.O_NOATIME)
        self.addCleanup(os.close, fd)
        os.listdir(fd)
        self.assertEqual(atime(self.path("d")), first)

    def test_a_link_is_read(self):
        os.symlink("target", self.path("l"))
        tick()
        before = atime(self.path("l"))
        os.readlink(self.path("l"))
        moved = atime(self.path("l"))
        self.assertGreater(moved, before)
        os.rename(self.path("l"), self.path("m"))
        tick()
        os.readlink(self.path("m"))
        self.assertGreater(atime(self.path("m")), moved)

    def test_many_small_files(self):
        paths = [self.make(f"f{i}", b"x" * 10) for i in range(300)]
        tick()
        for path in paths:
            _read(path)
        for path in paths:
            st = os.stat(path)
            self.assertGreater(st.st_atime_ns, st.st_mtime_ns)


@unittest.skipIf(env.TEST_DIR, "needs a cluster")
class Stored(StoreCase):
    def there(self, mount, path):
        return os.path.join(str(mount), os.path.relpath(path, cluster().mount))

    def test_other_hosts_see_it(self):
        other = cluster().mount_again("atime")
        path = self.make("f", b"content")
        seen = os.stat(self.there(other, path)).st_atime_ns
        _read(path)
        moved = atime(path)
        self.assertGreater(moved, seen)
        wait_for(lambda: os.stat(self.there(other, path)).st_atime_ns == moved, 5, "the other host to see it")

    def test_another_hosts_utimens_wins(self):
        other = cluster().mount_again("atime2")
        path = self.make("f", b"content")
        os.stat(self.there(other, path))
        _read(path)
        os.utime(self.there(other, path), ns=(LONG_AGO, LONG_AGO))
        wait_for(lambda: atime(path) == LONG_AGO, 5, "the time to be seen here")
        time.sleep(1.3)
        self.assertEqual((atime(path), atime(self.there(other, path))), (LONG_AGO, LONG_AGO))

    def test_unmounting_stores_it(self):
        other = cluster().mount_again("atime3", options="atime_delay=1h")
        path = self.make("f", b"content")
        _read(self.there(other, path))
        moved = atime(self.there(other, path))
        self.assertLess(atime(path), moved)
        cluster().unmount(other)
        wait_for(lambda: atime(path) == moved, 5, "the tracker to know")

    def test_noatime_moves_none(self):
        other = cluster().mount_again("atime4", options="noatime")
        path = self.there(other, self.make("f", b"content"))
        os.mkdir(path + ".d")
        before = (atime(path), atime(path + ".d"))
        _read(path)
        os.listdir(path + ".d")
        self.assertEqual((atime(path), atime(path + ".d")), before)

    def test_strictatime_moves_it_by_each_read(self):
        other = cluster().mount_again("atime5", options="strictatime")
        path = self.there(other, self.make("f", b"content"))
        directory = os.path.dirname(path)
        for what, read in ((path, _read), (directory, os.listdir)):
            read(what)
            before = atime(what)
            tick()
            read(what)
            self.assertGreater(atime(what), before)


if __name__ == "__main__":
    unittest.main()
