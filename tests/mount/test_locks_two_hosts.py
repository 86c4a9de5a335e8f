"""flock(2) and fcntl(2) locks between two mounts, each of which stands for a host: a lock that one has excludes the other,
and ends with its holder."""
import errno
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import time
import unittest

from vcfs_test.identity import in_child
from vcfs_test.shared import StoreCase, cluster
from vcfs_test.wait import wait_for

_other = None
LOCK_CALLS = {"72", "73"} if os.uname().machine == "x86_64" else {"25", "32"}  # fcntl, flock
# Who waits asks again a second after it asked; in less it must have been told.
TOLD_SECONDS = 0.5
F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW = 36, 37, 38


def other_mount():
    global _other
    if _other is None:
        _other = cluster().mount_again("locker")
    return _other


def flock_struct(kind, start=0, length=0):
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, start, length, 0)


def refused(function, *args):
    """True when the lock is somebody else's; False when it was taken."""
    try:
        function(*args)
        return False
    except OSError as e:
        if e.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return True


# A process that locks and then waits for a line on its standard input (or for its death).
HOLDER = """
import fcntl, os, sys, struct
path, kind, how, length, start = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
fd = os.open(path, os.O_RDWR)
if kind == "flock":
    fcntl.flock(fd, how)
elif kind == "range":
    fcntl.lockf(fd, how, length, start)
else:
    fcntl.fcntl(fd, 38, struct.pack("hhqqi4x", {1: fcntl.F_RDLCK, 2: fcntl.F_WRLCK}[how], 0, start, length, 0))
print("locked", flush=True)
sys.stdin.readline()
"""


class Holder:
    def __init__(self, path, kind="range", how=fcntl.LOCK_EX, length=0, start=0):
        line = [sys.executable, "-c", HOLDER, path, kind, str(how), str(length), str(start)]
        self.process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def locked(self):
        assert self.process.stdout.readline().strip() == "locked"
        return self

    def wait_waiting(self):
        """Until it is inside flock(2) or fcntl(2)."""
        def inside():
            with open(f"/proc/{self.process.pid}/syscall") as f:
                return f.read().split()[0] in LOCK_CALLS
        wait_for(inside, 20, "it to ask for the lock", interval=0.002)
        return self

    def ends(self, limit=20):
        self.process.stdin.close()
        self.process.wait(limit)
        self.process.stdout.close()

    def dies(self):
        self.process.kill()
        self.process.wait(20)
        self.process.stdin.close()
        self.process.stdout.close()


class TwoHosts(StoreCase):
    def setUp(self):
        super().setUp()
        self.here = self.make("f", b"x" * 100)
        self.there = str(other_mount() / os.path.relpath(self.here, cluster().mount))
        wait_for(lambda: os.path.exists(self.there), 10, "the file at the other host")
        self.holders = []

    def hold(self, path, *args, wait=True):
        holder = Holder(path, *args)
        self.addCleanup(lambda: holder.process.poll() is None and holder.dies())
        return holder.locked() if wait else holder

    def open(self, path, flags=os.O_RDWR):
        fd = os.open(path, flags)
        self.addCleanup(os.close, fd)
        return fd

    def flock_refused(self, path, how=fcntl.LOCK_EX):
        fd = os.open(path, os.O_RDWR)
        try:
            return refused(fcntl.flock, fd, how | fcntl.LOCK_NB)
        finally:
            os.close(fd)

    def range_refused(self, path, how=fcntl.LOCK_EX, length=0, start=0):
        fd = os.open(path, os.O_RDWR)
        try:
            return refused(fcntl.lockf, fd, how | fcntl.LOCK_NB, length, start)
        finally:
            os.close(fd)

    def test_flock_excludes_the_other_host(self):
        self.hold(self.here, "flock", fcntl.LOCK_EX)
        self.assertTrue(self.flock_refused(self.there))
        self.assertTrue(self.flock_refused(self.there, fcntl.LOCK_SH))

    def test_shared_flock_lets_readers_in(self):
        self.hold(self.here, "flock", fcntl.LOCK_SH)
        self.assertFalse(self.flock_refused(self.there, fcntl.LOCK_SH))
        self.assertTrue(self.flock_refused(self.there))

    def test_range_excludes_the_other_host_where_it_overlaps(self):
        self.hold(self.here, "range", fcntl.LOCK_EX, 10, 20)
        self.assertTrue(self.range_refused(self.there, length=10, start=25))
        self.assertFalse(self.range_refused(self.there, length=10, start=30))
        self.assertFalse(self.range_refused(self.there, length=20))

    def test_flock_and_range_do_not_see_each_other(self):
        self.hold(self.here, "flock", fcntl.LOCK_EX)
        self.assertFalse(self.range_refused(self.there))

    def test_closing_releases_at_once(self):
        for kind in ("flock", "range", "ofd"):
            with self.subTest(kind):
                holder = self.hold(self.here, kind)
                self.assertTrue(self.flock_refused(self.there) if kind == "flock" else self.range_refused(self.there))
                holder.ends()
                ask = self.flock_refused if kind == "flock" else self.range_refused
                wait_for(lambda ask=ask: not ask(self.there), 2, f"{kind} to be released")

    def test_a_killed_holder_holds_nothing(self):
        for kind in ("flock", "range", "ofd"):
            with self.subTest(kind):
                self.hold(self.here, kind).dies()
                ask = self.flock_refused if kind == "flock" else self.range_refused
                wait_for(lambda ask=ask: not ask(self.there), 2, f"{kind} to be released")

    def test_who_waits_gets_it_when_it_is_released(self):
        for kind in ("flock", "range", "ofd"):
            with self.subTest(kind):
                # What a busy machine adds is not what is asked here: the best of some.
                took = []
                while len(took) < 5 and min(took, default=9) > TOLD_SECONDS:
                    took.append(self.time_until_told(kind))
                self.assertLess(min(took), TOLD_SECONDS, "it was not told")

    def time_until_told(self, kind):
        holder = self.hold(self.here, kind)
        waiting = self.hold(self.there, kind, wait=False).wait_waiting()
        time.sleep(0.1)
        self.assertIsNone(waiting.process.poll())
        self.assertFalse(select.select([waiting.process.stdout], [], [], 0)[0], "it got a lock that another has")
        holder.ends()
        begun = time.monotonic()
        waiting.locked()
        took = time.monotonic() - begun
        waiting.ends()
        return took

    def test_who_waits_on_the_same_host_gets_it_too(self):
        holder = self.hold(self.here, "range")
        waiting = self.hold(self.here, "range", wait=False)
        time.sleep(0.2)
        holder.ends()
        waiting.locked().ends()

    def test_a_waiting_process_can_be_killed(self):
        self.hold(self.here, "range")
        waiting = self.hold(self.there, "range", wait=False)
        time.sleep(0.5)
        begun = time.monotonic()
        waiting.dies()
        self.assertLess(time.monotonic() - begun, 3)

    def test_a_signal_ends_waiting(self):
        self.hold(self.here, "range")

        def wait():
            signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError()))
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            fd = os.open(self.there, os.O_RDWR)
            begun = time.monotonic()
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX)
            except TimeoutError:
                signal.alarm(0)
                return time.monotonic() - begun
            return None
        waited = in_child(wait)
        self.assertIsNotNone(waited)
        self.assertLess(waited, 3)

    def test_getlk_tells_the_other_hosts_range(self):
        self.hold(self.there, "range", fcntl.LOCK_SH, 10, 20)
        fd = self.open(self.here)
        kind, _, start, length, pid = struct.unpack("hhqqi4x", fcntl.fcntl(fd, fcntl.F_GETLK, flock_struct(fcntl.F_WRLCK)))
        self.assertEqual((kind, start, length, pid), (fcntl.F_RDLCK, 20, 10, 0))
        answer = fcntl.fcntl(fd, fcntl.F_GETLK, flock_struct(fcntl.F_RDLCK))
        self.assertEqual(struct.unpack("hhqqi4x", answer)[0], fcntl.F_UNLCK)

    def test_weakening_lets_others_in(self):
        fd = self.open(self.here)
        fcntl.lockf(fd, fcntl.LOCK_EX, 100, 0)
        self.assertTrue(self.range_refused(self.there, fcntl.LOCK_SH))
        fcntl.lockf(fd, fcntl.LOCK_SH, 50, 0)
        self.assertFalse(self.range_refused(self.there, fcntl.LOCK_SH, 50, 0))
        self.assertTrue(self.range_refused(self.there, fcntl.LOCK_SH, 1, 50))
        self.assertTrue(self.range_refused(self.there, fcntl.LOCK_EX, 1, 49))

    def test_unlocking_the_middle_splits(self):
        fd = self.open(self.here)
        fcntl.lockf(fd, fcntl.LOCK_EX, 100, 0)
        fcntl.lockf(fd, fcntl.LOCK_UN, 10, 40)
        self.assertFalse(self.range_refused(self.there, length=10, start=40))
        self.assertTrue(self.range_refused(self.there, length=1, start=39))
        self.assertTrue(self.range_refused(self.there, length=1, start=50))

    def test_closing_another_descriptor_releases_a_processes_ranges(self):
        for flags in (os.O_RDWR, os.O_RDONLY):
            fd = self.open(self.here)
            fcntl.lockf(fd, fcntl.LOCK_EX)
            self.assertTrue(self.range_refused(self.there))
            os.close(os.open(self.here, flags))
            self.assertFalse(self.range_refused(self.there))

    def test_ofd_locks_stay_until_the_last_descriptor_is_closed(self):
        fd = os.open(self.here, os.O_RDWR)
        fcntl.fcntl(fd, F_OFD_SETLK, flock_struct(fcntl.F_WRLCK))
        os.close(os.open(self.here, os.O_RDWR))
        copy = os.dup(fd)
        os.close(fd)
        self.assertTrue(self.range_refused(self.there))
        os.close(copy)
        wait_for(lambda: not self.range_refused(self.there), 2, "the release")

    def test_a_read_lock_of_a_read_only_descriptor_ends_with_it(self):
        fd = os.open(self.here, os.O_RDONLY)
        fcntl.lockf(fd, fcntl.LOCK_SH)
        self.assertTrue(self.range_refused(self.there))
        os.close(fd)
        wait_for(lambda: not self.range_refused(self.there), 2, "the release")

    def test_waiting_in_a_circle_is_EDEADLK(self):
        other = self.make("g", b"y")
        there = str(other_mount() / os.path.relpath(other, cluster().mount))
        wait_for(lambda: os.path.exists(there), 10, "the file at the other host")

        def first():
            a, b = os.open(self.here, os.O_RDWR), os.open(other, os.O_RDWR)
            fcntl.lockf(a, fcntl.LOCK_EX)
            os.write(ready[1], b"1")
            os.read(go[0], 1)
            fcntl.lockf(b, fcntl.LOCK_EX)

        ready, go = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                first()
            finally:
                os._exit(0)
        os.read(ready[0], 1)

        def second():
            signal.alarm(20)
            a, b = os.open(self.there, os.O_RDWR), os.open(there, os.O_RDWR)
            fcntl.lockf(b, fcntl.LOCK_EX)
            os.write(go[1], b"1")
            time.sleep(0.5)
            fcntl.lockf(a, fcntl.LOCK_EX)
        try:
            self.assertErrno(errno.EDEADLK, in_child, second)
        finally:
            os.waitpid(pid, 0)
            for fd in (*ready, *go):
                os.close(fd)

    def test_counting_under_a_lock_from_two_hosts_loses_nothing(self):
        for kind in ("flock", "range"):
            with self.subTest(kind):
                self._count(kind)

    def _count(self, kind):
        with open(self.here, "wb") as f:
            f.write(b"0")

        def count(path):
            fd = os.open(path, os.O_RDWR)
            lock = fcntl.flock if kind == "flock" else fcntl.lockf
            for _ in range(20):
                lock(fd, fcntl.LOCK_EX)
                value = int(os.pread(fd, 20, 0)) + 1
                os.pwrite(fd, str(value).encode(), 0)
                lock(fd, fcntl.LOCK_UN)
            os._exit(0)
        pids = []
        for path in (self.here, self.there, self.here, self.there):
            pid = os.fork()
            if pid == 0:
                signal.alarm(60)
                count(path)
            pids.append(pid)
        for pid in pids:
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        self.assertEqual(self.read(self.here), b"80")

    def test_a_dead_host_loses_its_locks_when_its_lease_is_over(self):
        point = cluster().mount_again("dying")
        path = str(point / os.path.relpath(self.here, cluster().mount))
        holder = self.hold(path, "range")
        flock = self.hold(path, "flock")
        pid = next(m["pid"] for m in cluster().status()["mounts"] if m.get("path") == str(point)) \
            if any(m.get("pid") for m in cluster().status()["mounts"] if m.get("path") == str(point)) else mount_pid(point)
        os.kill(pid, signal.SIGKILL)
        begun = time.monotonic()
        wait_for(lambda: not self.range_refused(self.here) and not self.flock_refused(self.here), 30, "the lease to end")
        self.assertGreater(time.monotonic() - begun, 3, "it was given away while its holder might have lived")
        holder.dies()
        flock.dies()


def mount_pid(point):
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if words and words[0].endswith(b"mount.vcfs") and os.fsencode(str(point)) in words:
            return int(entry)
    raise AssertionError(f"no process serves {point}")


if __name__ == "__main__":
    unittest.main()
