"""The only tracker is away while programs hold locks of files.

Fault model: the tracker's process is killed, and started again later; everybody else is well. A lock cannot be given up then. It is
given up when the tracker is back because the mount goes on trying, and no program waits for that.
"""
import fcntl
import os
import time
import unittest

from vcfs_test import env
from vcfs_test.cluster import Cluster
from vcfs_test.identity import in_child
from vcfs_test.wait import wait_for

SOON = 4  # seconds: far from the mount's stall limit of 30 s


def lock_free(path):
    fd = os.open(path, os.O_RDWR)
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


class LocksWithoutTracker(unittest.TestCase):
    def setUp(self):
        self.cluster = self.enterContext(Cluster(storages=1, copies=1))
        self.path = str(self.cluster.mount / "f")
        with open(self.path, "wb") as f:
            f.write(b"x")

    def test_closing_a_locked_file_does_not_wait_for_it(self):
        files = [os.open(self.path, os.O_RDWR) for _ in range(4)]
        fcntl.lockf(files[0], fcntl.LOCK_EX)
        self.cluster.kill("tracker0")
        begun = time.monotonic()
        for fd in files:
            os.close(fd)
        self.assertLess(time.monotonic() - begun, SOON * env.SLOWDOWN, "four closes")
        self.cluster.restart("tracker0")
        wait_for(lambda: in_child(lock_free, self.path), 30, "the lock to be free")


if __name__ == "__main__":
    unittest.main()
