"""A storage server comes back with less than the others have.

Fault model: one of two storage processes is killed, its files grow or change meanwhile, and it is started again (the second one
returns with its disk as it was). Survival is expected because the catalog knows that its replicas are stale; what is measured is how
long the cluster is without a second copy after the server is back, and what writers notice of the copying.

VCFS_CATCH_UP_BYTES: how much the large case is behind (default 256 MiB; "2G" for a figure worth telling).
"""
import os
import time
import unittest

from fault_case import WHOLE_AGAIN_S, FaultCase
from vcfs_test.cluster import Cluster, process_io
from vcfs_test.files import pattern
from vcfs_test.wait import wait_for

MIB = 1 << 20


def large_bytes():
    text = os.environ.get("VCFS_CATCH_UP_BYTES", "256M")
    return int(text[:-1]) * {"M": MIB, "G": 1 << 30}[text[-1]]


class Case(FaultCase):
    storages = 2
    time_limit = 600

    def replica_count(self, path):
        return sum(r["state"] == "in-sync" for r in self.cluster.stat(path)["replicas"])

    def whole_again(self, paths, deadline):
        """Seconds until every one of these has two replicas in sync."""
        begun = time.monotonic()
        for path in paths:
            wait_for(lambda path=path: self.replica_count(path) == 2, deadline, f"two replicas of {path}")
        return time.monotonic() - begun

    def append(self, path, data):
        with open(self.cluster.mount / path[1:], "ab") as f:
            f.write(data)

    def lose_one_of(self, path):
        victim = self.cluster.followers_of(path)[0]
        self.cluster.kill(victim)
        self.append(path, b"x")  # somebody notices
        wait_for(lambda: self.replica_count(path) == 1, 10, "the loss in the catalog")
        return victim

    def bytes_written(self, name):
        """By the process since its start, to files."""
        return process_io(self.cluster.pid(name))["wchar"]

    def copy_large(self):
        """Bytes to go that were shown meanwhile, at most."""
        large, size = "/meeting/large.bin", large_bytes()
        self.append(large, b"first")
        self.cluster.wait_in_sync(large)
        victim = self.lose_one_of(large)
        piece = pattern(16 * MIB)
        for _ in range(size // len(piece)):
            self.append(large, piece)
        self.cluster.restart(victim)
        begun, shown = time.monotonic(), 0
        while self.replica_count(large) < 2:
            self.assertLess(time.monotonic() - begun, 300, "two replicas")
            shown = max([shown, *(s["bytes_to_go"] for s in self.cluster.status()["storages"])])
        took = time.monotonic() - begun
        print(f"{size / MIB:.0f} MiB behind: whole after {took:.2f} s, {size / MIB / took:.0f} MiB/s")
        self.assert_replicas_equal(large)
        return shown


class CatchUp(Case):
    def test_server_that_comes_back_30_mb_behind_is_whole_within_2_s(self):
        paths = [f"/meeting/{n}.bin" for n in range(3)]
        for path in paths:
            self.append(path, pattern(4 * MIB))
        for path in paths:
            self.cluster.wait_in_sync(path)
        victim = self.cluster.followers_of(paths[0])[0]
        self.cluster.kill(victim)
        for path in paths:
            self.append(path, pattern(10 * MIB))
        wait_for(lambda: all(self.replica_count(path) == 1 for path in paths), 10, "the loss in the catalog")
        begun = time.monotonic()
        self.cluster.restart(victim)
        started = time.monotonic() - begun
        took = self.whole_again(paths, 30)
        print(f"30 MiB behind: whole {took:.2f} s after the server answered again (its start took {started:.2f} s)")
        self.assertLess(took, WHOLE_AGAIN_S)
        for path in paths:
            self.assert_replicas_equal(path)

    def test_only_the_tail_of_a_file_that_grew_is_copied(self):
        path = "/meeting/long.bin"
        self.append(path, pattern(40 * MIB))
        self.cluster.wait_in_sync(path)
        victim = self.lose_one_of(path)
        self.append(path, pattern(2 * MIB))
        self.cluster.restart(victim)
        self.whole_again([path], 30)
        self.assert_replicas_equal(path)
        self.assertLess(self.bytes_written(victim), 3 * MIB)

    def test_blocks_that_were_overwritten_meanwhile_are_copied_and_no_others(self):
        path = "/meeting/edited.bin"
        self.append(path, pattern(40 * MIB))
        self.cluster.wait_in_sync(path)
        victim = self.lose_one_of(path)
        with open(self.cluster.mount / path[1:], "r+b") as f:
            for at in (1 * MIB, 20 * MIB, 39 * MIB):
                f.seek(at)
                f.write(b"changed" * 1000)
        self.cluster.restart(victim)
        self.whole_again([path], 30)
        self.assert_replicas_equal(path)
        self.assertLess(self.bytes_written(victim), 2 * MIB)

    def test_a_large_file_is_copied_as_fast_as_disk_and_network_allow(self):
        self.copy_large()


class SlowCopy(Case):
    """Limited to a rate, so that there is time to look."""

    def make_cluster(self):
        return Cluster(storages=self.storages, options=["--option", f"storage.catch-up-rate={large_bytes() // 5}"])

    def test_a_copy_shows_how_far_it_has_to_go(self):
        self.assertGreater(self.copy_large(), 0)


if __name__ == "__main__":
    unittest.main()
