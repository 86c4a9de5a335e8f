"""Every server that has a recording is away at once: what applications are told, and what is there afterwards.

Fault model: all storage servers are cut off from the recorder's host, or hang (SIGSTOP), or are killed (kill -9) and started again;
trackers and disks are well. Away for less than the mount's stall limit nothing is noticed but the stall. Away for longer every
blocked call ends with EIO when the limit is over, each descriptor is told, and later calls go on. Survival is expected because what
was acknowledged is on the disks, because the mount sends again what was not, and because what it has given up is executed by nobody
any more, however late a server comes to read it.
"""
import errno
import os
import subprocess
import time
import unittest

from fault_case import PATH, FaultCase
from vcfs_test import env
from vcfs_test.expand import each, expand
from vcfs_test.hosts import HostCluster
from vcfs_test.wait import wait_for

STALL_LIMIT = 6
MARGIN = 1  # what a call may take beyond the limit to say so
BIG = "/meeting/big"
MIB = 1 << 20


class AwayCase(FaultCase):
    storages = 2

    def make_cluster(self):
        return HostCluster(storages=self.storages, mount_options=f"stall_limit={STALL_LIMIT}s")

    def cut(self):
        for name in self.cluster.storages():
            self.cluster.host(name).cut_from(self.cluster.host("recorder"))
        return self.cluster.network.heal

    def hang(self):
        return self.each_storage(self.cluster.stop, self.cluster.cont)

    def kill(self):
        return self.each_storage(self.cluster.kill, self.cluster.restart)

    def each_storage(self, break_it, mend_it):
        names = sorted(self.cluster.storages())
        for name in names:
            break_it(name)
        return lambda: [mend_it(name) for name in names]


def piece(number, version=0):
    """A MiB that tells which one it is."""
    return bytes([1 + (2 * number + version) % 255]) * MIB


class Application:
    """Writes and syncs a file a MiB at a time and keeps in mind what it was told; `longest`: its longest call, in seconds."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT)
        self.longest = 0
        self.expected = {}  # number: (the bytes, whether they may be missing)

    def close(self):
        fd, self.fd = self.fd, None
        if fd is not None:
            os.close(fd)

    def call(self, function, *args):
        """The error's number; 0: it succeeded."""
        begin = time.monotonic()
        try:
            function(self.fd, *args)
            return 0
        except OSError as e:
            return e.errno
        finally:
            self.longest = max(self.longest, time.monotonic() - begin)

    def write(self, number, version=0):
        error = self.call(os.pwrite, piece(number, version), number * MIB)
        self.expected[number] = (piece(number, version), True)
        return error

    def sync(self):
        return self.call(os.fsync)

    def write_and_sync(self, numbers, version=0):
        """All or nothing: when an error is told, everything is written again."""
        error = max([self.write(n, version) for n in numbers]) or self.sync()
        if not error:
            self.expected.update({n: (piece(n, version), False) for n in numbers})
        return error

    def wrong(self, path):
        """Numbers of the pieces that are not what they may be."""
        with open(path, "rb") as f:
            data = f.read()
        return [n for n, (want, loose) in self.expected.items() if not matches(data[n * MIB:(n + 1) * MIB], want, loose)]


def matches(found, wanted, may_have_holes):
    return found == wanted or may_have_holes and set(found) <= {0, wanted[0]}


@expand
class LongerThanTheStallLimit(AwayCase):
    def setUp(self):
        super().setUp()
        self.start_recording(follow=False)
        self.application = Application(self.cluster.mount / BIG[1:])
        self.addCleanup(self.application.close)
        self.assertEqual(self.application.write_and_sync(range(4)), 0)

    def write_until_told(self):
        """Returns the first piece that was not taken."""
        for number in range(4, 100):
            error = self.application.write(number)
            if error:
                self.assertEqual(errno.errorcode[error], "EIO")
                return number
        self.fail("no error")

    def assert_told_in_time(self, what, longest):
        print(f"{self._testMethodName}: longest {what} {longest:.2f} s", flush=True)
        self.assertLessEqual(longest, STALL_LIMIT + MARGIN * env.SLOWDOWN, what)

    @each([("cut_off", AwayCase.cut), ("hanging", AwayCase.hang), ("killed", AwayCase.kill)])
    def test_every_blocked_call_is_told_and_a_later_one_goes_on_with(self, everything_away):
        app = self.application
        come_back = everything_away(self)
        refused = self.write_until_told()
        # fsync tells it too, and at once; what is tried next waits anew, in vain.
        self.assertEqual(errno.errorcode[app.sync()], "EIO")
        self.assertEqual(errno.errorcode[app.write_and_sync([refused])], "EIO")
        come_back()
        # Every second piece of what is in doubt is written again, with other bytes: what was given up may not come after it.
        again = range(5, refused, 2)
        wait_for(lambda: app.write_and_sync([*again, refused, refused + 1], version=1) == 0, 20, "a sync after the fault")
        self.assert_told_in_time("call of the application", app.longest)
        self.wait_for_growth(2_500_000, deadline=20)  # more than a hole that the errors left, and the next fsync
        written = self.finish_after_errors()
        self.assert_told_in_time("call of the recorder", max(written[c]["max_ms"] for c in ("write", "fsync", "close")) / 1000)
        app.close()
        self.assertEqual(app.wrong(self.other / BIG[1:]), [])
        for path in (PATH, BIG):
            self.assert_replicas_equal(path)
        self.assert_nothing_to_repair()


@expand
class Finished(AwayCase):
    """Complete recordings are read. What the kernel has of them in memory is not asked for: each read is of another part."""

    @each([("cut_off", AwayCase.cut), ("hanging", AwayCase.hang)])
    def test_every_read_is_told_in_time_and_a_later_one_goes_on_with(self, everything_away):
        names = ("first", "second")
        for name in names:
            (self.cluster.mount / name).write_bytes(b"".join(piece(n) for n in range(8)))
            self.cluster.wait_in_sync(f"/{name}")
        first, second = files = [open(self.cluster.mount / name, "rb", buffering=0) for name in names]
        for file in files:
            self.addCleanup(file.close)
        come_back = everything_away(self)
        # The first read finds connections, which are lost meanwhile.
        for file, number, length in ((first, 0, MIB), (second, 0, MIB), (first, 5, 4096)):
            took, error = self.read(file, number, length)
            print(f"{self._testMethodName}: {length} bytes: {took:.2f} s", flush=True)
            self.assertEqual(error, errno.EIO)
            self.assertLessEqual(took, STALL_LIMIT + MARGIN * env.SLOWDOWN)
        come_back()
        for file in files:
            wait_for(lambda file=file: self.read(file, 3, MIB)[1] == 0, 20, "a read after the fault")

    @staticmethod
    def read(file, number, length):
        """(seconds it took, the error's number)"""
        begin, error = time.monotonic(), 0
        try:
            if os.pread(file.fileno(), length, number * MIB) != piece(number)[:length]:
                error = -1
        except OSError as e:
            error = e.errno
        return time.monotonic() - begin, error


class Unmounted(AwayCase):
    def test_a_mount_that_is_taken_away_by_force_ends_its_process(self):
        apps = [Application(self.cluster.mount / f"file{i}") for i in range(4)]
        for app in apps:
            self.addCleanup(app.close)
            self.assertEqual(app.write_and_sync(range(2)), 0)
        self.kill()
        for app in apps:
            self.assertEqual(app.write(2), 0)
        # -f ends the kernel's side, so that no file is closed; -l because the application has some open.
        subprocess.run(["umount", "-f", "-l", self.cluster.mount], check=True, timeout=30)
        wait_for(lambda: not self.cluster.running("mount0"), STALL_LIMIT + 5, "the end of the mount's process")
        for app in apps:
            self.assertRaises(OSError, app.close)


class Names(AwayCase):
    def test_of_a_recording_whose_servers_are_away_hold_nothing_up(self):
        with open(self.cluster.mount / "recording", "wb", buffering=0) as recording:
            recording.write(piece(1))
            os.fsync(recording.fileno())
            self.cut()
            begin = time.monotonic()
            # On the host that records and on another one, which has to look the name up.
            for top in (self.cluster.mount, self.other):
                os.mkdir(top / f"new-on-{top.name}")
                os.rename(top / "recording", top / "renamed")
                os.chmod(top / "renamed", 0o600)
                if top == self.other:  # where it is open, the kernel asks for its size first, and that waits
                    os.link(top / "renamed", top / "linked")
                    os.unlink(top / "linked")
                os.rename(top / "renamed", top / "recording")
            took = time.monotonic() - begin
            self.assertLess(took, STALL_LIMIT - MARGIN)
            self.cluster.network.heal()


@expand
class ShorterThanTheStallLimit(AwayCase):
    @each([("cut_off", AwayCase.cut), ("hanging", AwayCase.hang)])
    def test_a_recording_goes_on_without_an_error_with_all_servers(self, everything_away):
        self.start_recording()
        come_back = everything_away(self)
        time.sleep(4)  # the fault's duration
        come_back()
        self.wait_for_growth(1_000_000, deadline=30)
        self.finish(STALL_LIMIT * 1000)
        self.assert_replicas_equal()
        self.assert_nothing_to_repair()


if __name__ == "__main__":
    unittest.main()
