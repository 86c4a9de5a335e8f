"""A storage server dies while a program waits in fsync.

Fault model: the primary or the follower is killed (kill -9) while the fsync of 8 MiB that were just written is under way: at once,
or some milliseconds later, or after it hung (SIGSTOP) since before the write, so that the fsync cannot be about to return. Disks keep
what was written to them. The server is started again before the next round.
Survival is expected because an fsync returns when what was written before is on the disk of every replica that is in sync then; a
replica that could not say so is not in sync any more.
"""
import os
import statistics
import threading
import time
import unittest

from fault_case import KILLED_MS, FaultCase
from vcfs_test import env
from vcfs_test.files import pattern
from vcfs_test.wait import wait_for

PATH = "/meeting/synced.bin"
PIECE = 8 << 20
DELAYS_MS = (0, 1, 2, 4, 8, 16)
SYS_FSYNC = "74"  # x86-64


class Fsync(threading.Thread):
    """When it has ended, `found` is what lay behind `offset` in the file `replica` in that moment."""

    def __init__(self, fd, replica, offset):
        super().__init__(daemon=True)
        self.fd, self.replica, self.offset = fd, replica, offset
        self.error = self.ended = self.found = None

    def run(self):
        with open(self.replica, "rb") as f:
            f.seek(self.offset)
            try:
                os.fsync(self.fd)
            except OSError as e:
                self.error = e
            self.ended = time.monotonic()
            self.found = f.read()

    def under_way(self):
        """It waits in the system call."""
        with open(f"/proc/self/task/{self.native_id}/syscall") as f:
            return f.read().split()[0] == SYS_FSYNC

    def begin(self):
        self.start()
        wait_for(lambda: self.ended or self.under_way(), 5, "the fsync to begin", interval=0)
        return self


class FsyncUnderWay(FaultCase):
    storages = 2

    def setUp(self):
        super().setUp()
        self.fd = os.open(self.cluster.mount / PATH[1:], os.O_WRONLY | os.O_CREAT)
        self.addCleanup(lambda: os.close(self.fd))
        self.written = 0
        self.usual_ms = statistics.median(self.undisturbed_ms() for _ in range(5))

    def piece(self, number):
        return pattern(1 << 20, key=number) * (PIECE >> 20)

    def write(self):
        self.assertEqual(os.write(self.fd, self.piece(self.written)), PIECE)
        self.written += 1

    def undisturbed_ms(self):
        self.write()
        begin = time.monotonic()
        os.fsync(self.fd)
        return (time.monotonic() - begin) * 1000

    def test_primary_killed(self):
        self.check([self.strike(self.cluster.primary_of(PATH), delay_ms) for delay_ms in DELAYS_MS])

    def test_follower_killed(self):
        self.check([self.strike(self.cluster.followers_of(PATH)[0], delay_ms) for delay_ms in DELAYS_MS])

    def test_primary_that_hung_killed(self):
        self.check([self.strike(self.cluster.primary_of(PATH), hung=True) for _ in range(2)])

    def test_follower_that_hung_killed(self):
        self.check([self.strike(self.cluster.followers_of(PATH)[0], hung=True) for _ in range(2)])

    # ---- one round

    def strike(self, name, delay_ms=0, hung=False):
        """Whether the fsync was under way when the server was killed."""
        survivor = next(r["path"] for r in self.cluster.stat(PATH)["replicas"] if r["storage"] != name)
        if hung:
            self.cluster.stop(name)
        self.write()
        fsync = Fsync(self.fd, survivor, (self.written - 1) * PIECE).begin()
        time.sleep(delay_ms / 1000)  # until the fault
        struck = time.monotonic()
        self.cluster.kill(name)
        fsync.join(30)
        self.assertFalse(fsync.is_alive(), "the fsync does not end")
        self.assertIsNone(fsync.error)
        self.assertTrue(fsync.found == self.piece(self.written - 1), f"{len(fsync.found)} bytes on the other server, or they differ")
        stall_ms = (fsync.ended - struck) * 1000
        print(f"{self._testMethodName}: after {delay_ms} ms: fsync returned {stall_ms:.1f} ms after the strike (usual {self.usual_ms:.1f})",
              flush=True)
        self.assertLessEqual(stall_ms, KILLED_MS * env.SLOWDOWN + 2 * self.usual_ms)
        self.cluster.restart(name)
        self.cluster.wait_in_sync(PATH)
        self.assert_on_every_replica()
        return stall_ms > 0

    def assert_on_every_replica(self):
        for path in self.cluster.replica_paths(PATH):
            with open(path, "rb") as f:
                wrong = [number for number in range(self.written) if f.read(PIECE) != self.piece(number)]
            self.assertEqual(wrong, [], f"pieces that are not in {path}")

    def check(self, under_way):
        self.assertGreaterEqual(sum(under_way), len(under_way) // 2, "strikes that came while the fsync was under way")
        self.assert_replicas_equal(PATH)


if __name__ == "__main__":
    unittest.main()
