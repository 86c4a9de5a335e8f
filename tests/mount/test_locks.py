"""flock(2) and fcntl(2) range locks on one host."""
import errno
import fcntl
import os
import struct
import unittest

from vcfs_test.identity import in_child
from vcfs_test.shared import StoreCase


def try_flock(path, how):
    fd = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
        return True
    except OSError as e:
        if e.errno != errno.EWOULDBLOCK:
            raise
        return False
    finally:
        os.close(fd)


def try_range(path, how, length, start):
    fd = os.open(path, os.O_RDWR)
    try:
        fcntl.lockf(fd, how | fcntl.LOCK_NB, length, start)
        return True
    except OSError as e:
        if e.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    finally:
        os.close(fd)


class Flock(StoreCase):
    def setUp(self):
        super().setUp()
        self.file = self.make("f", b"x" * 100)
        self.fd = os.open(self.file, os.O_RDWR)
        self.addCleanup(os.close, self.fd)

    def test_an_exclusive_lock_excludes_everybody(self):
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        self.assertFalse(try_flock(self.file, fcntl.LOCK_EX))
        self.assertFalse(try_flock(self.file, fcntl.LOCK_SH))

    def test_shared_locks_go_together(self):
        fcntl.flock(self.fd, fcntl.LOCK_SH)
        self.assertTrue(try_flock(self.file, fcntl.LOCK_SH))
        self.assertFalse(try_flock(self.file, fcntl.LOCK_EX))

    def test_unlocking_and_closing_release(self):
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        self.assertTrue(try_flock(self.file, fcntl.LOCK_EX))
        other = os.open(self.file, os.O_RDWR)
        fcntl.flock(other, fcntl.LOCK_EX)
        os.close(other)
        self.assertTrue(try_flock(self.file, fcntl.LOCK_EX))

    def test_a_dead_process_holds_no_lock(self):
        pid = os.fork()
        if pid == 0:
            fcntl.flock(os.open(self.file, os.O_RDWR), fcntl.LOCK_EX)
            os._exit(0)
        os.waitpid(pid, 0)
        self.assertTrue(try_flock(self.file, fcntl.LOCK_EX))

    def test_a_waiting_lock_is_granted_when_released(self):
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        pid = os.fork()
        if pid == 0:
            fcntl.flock(os.open(self.file, os.O_RDWR), fcntl.LOCK_EX)
            os._exit(7)
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 7)

    def test_upgrading(self):
        fcntl.flock(self.fd, fcntl.LOCK_SH)
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        self.assertFalse(try_flock(self.file, fcntl.LOCK_SH))


class RangeLocks(StoreCase):
    def setUp(self):
        super().setUp()
        self.file = self.make("f", b"x" * 100)
        self.fd = os.open(self.file, os.O_RDWR)
        self.addCleanup(os.close, self.fd)

    def test_overlapping_ranges_conflict_between_processes(self):
        fcntl.lockf(self.fd, fcntl.LOCK_EX, 10, 20)
        self.assertFalse(in_child(try_range, self.file, fcntl.LOCK_EX, 10, 25))
        self.assertTrue(in_child(try_range, self.file, fcntl.LOCK_EX, 10, 30))
        self.assertTrue(in_child(try_range, self.file, fcntl.LOCK_EX, 20, 0))

    def test_shared_ranges_go_together(self):
        fcntl.lockf(self.fd, fcntl.LOCK_SH, 10, 0)
        self.assertTrue(in_child(try_range, self.file, fcntl.LOCK_SH, 10, 0))
        self.assertFalse(in_child(try_range, self.file, fcntl.LOCK_EX, 10, 0))

    def test_unlocking_the_middle_splits(self):
        fcntl.lockf(self.fd, fcntl.LOCK_EX, 100, 0)
        fcntl.lockf(self.fd, fcntl.LOCK_UN, 10, 40)
        self.assertTrue(in_child(try_range, self.file, fcntl.LOCK_EX, 10, 40))
        self.assertFalse(in_child(try_range, self.file, fcntl.LOCK_EX, 10, 35))
        self.assertFalse(in_child(try_range, self.file, fcntl.LOCK_EX, 10, 60))

    def test_getlk_names_the_holder(self):
        fcntl.lockf(self.fd, fcntl.LOCK_EX, 10, 20)

        def ask():
            fd = os.open(self.file, os.O_RDWR)
            request = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            return struct.unpack("hhqqi4x", fcntl.fcntl(fd, fcntl.F_GETLK, request))
        kind, _, start, length, pid = in_child(ask)
        self.assertEqual((kind, start, length, pid), (fcntl.F_WRLCK, 20, 10, os.getpid()))

    def test_closing_any_descriptor_releases_the_processes_locks(self):
        fcntl.lockf(self.fd, fcntl.LOCK_EX, 10, 0)
        os.close(os.open(self.file, os.O_RDWR))
        self.assertTrue(in_child(try_range, self.file, fcntl.LOCK_EX, 10, 0))

    def test_closing_a_descriptor_that_only_reads_releases_the_processes_locks(self):
        before = os.open(self.file, os.O_RDONLY)  # opened before the lock is taken
        fcntl.lockf(self.fd, fcntl.LOCK_EX, 10, 0)
        after = os.open(self.file, os.O_RDONLY)
        for fd in (before, after):
            fcntl.lockf(self.fd, fcntl.LOCK_EX, 10, 0)
            self.assertFalse(in_child(try_range, self.file, fcntl.LOCK_EX, 10, 0))
            os.close(fd)
            self.assertTrue(in_child(try_range, self.file, fcntl.LOCK_EX, 10, 0))

    def test_the_end_of_an_inherited_descriptor_leaves_the_locks_of_who_closed_it(self):
        inherited = os.open(self.file, os.O_RDWR)
        fcntl.lockf(inherited, fcntl.LOCK_EX, 10, 0)
        end, stay = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(stay)
            os.read(end, 1)  # until the parent closes its end
            os._exit(0)
        os.close(end)
        os.close(inherited)
        fcntl.lockf(self.fd, fcntl.LOCK_EX, 10, 0)
        os.close(stay)
        os.waitpid(child, 0)
        fcntl.lockf(self.fd, fcntl.LOCK_EX, 10, 50)  # goes to the tracker behind what the child's end gives up
        self.assertFalse(in_child(try_range, self.file, fcntl.LOCK_EX, 10, 0))

    def test_a_dead_process_holds_no_range(self):
        in_child(try_range, self.file, fcntl.LOCK_EX, 10, 0)
        self.assertTrue(try_range(self.file, fcntl.LOCK_EX, 10, 0))

    def test_a_lock_to_the_end_covers_what_is_appended(self):
        fcntl.lockf(self.fd, fcntl.LOCK_EX, 0, 50)
        self.assertFalse(in_child(try_range, self.file, fcntl.LOCK_EX, 1, 1 << 40))

    def test_counting_under_a_lock_loses_nothing(self):
        self.make("counter", b"0")

        def count():
            fd = os.open(self.path("counter"), os.O_RDWR)
            for _ in range(30):
                fcntl.lockf(fd, fcntl.LOCK_EX)
                value = int(os.pread(fd, 20, 0)) + 1
                os.pwrite(fd, str(value).encode(), 0)
                fcntl.lockf(fd, fcntl.LOCK_UN)
            os._exit(0)
        pids = []
        for _ in range(4):
            pid = os.fork()
            if pid == 0:
                count()
            pids.append(pid)
        for pid in pids:
            os.waitpid(pid, 0)
        self.assertEqual(self.read("counter"), b"120")


if __name__ == "__main__":
    unittest.main()
