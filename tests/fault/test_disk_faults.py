"""A disk fails while a meeting is recorded: it is full, or read-only, or every access is an I/O error.

Fault model: each storage server has a small filesystem of its own; one of them (or all) refuses from a moment on; servers and network
are well, so that the process that serves the broken disk answers quickly and politely. Survival is expected because a replica that
cannot keep a byte is reported and replaced like one that is away.
"""
import errno
import os
import unittest

from fault_case import HUNG_MS, KILLED_MS, PATH, FaultCase
from vcfs_test.disks import SmallDisk
from vcfs_test.files import sha256
from vcfs_test.hosts import HostCluster
from vcfs_test.wait import wait_for

MEGABYTES = 200


class DiskCase(FaultCase):
    def make_cluster(self):
        self.disks = {f"s{i}": None for i in range(1, self.storages + 1)}
        cluster = HostCluster(storages=self.storages, disks=self.disks, storage_options=("--reserve", "0"),
                              tracker_options=("--min-free", "0"))
        for name in self.disks:
            self.disks[name] = cluster.closing(SmallDisk(cluster.scratch.path, f"disk-{name}", MEGABYTES))
        cluster.use_disks({name: disk.path / "data" for name, disk in self.disks.items()})
        return cluster

    def primary_disk(self):
        return self.disks[self.cluster.primary_of(PATH)]

    def follower_disk(self):
        return self.disks[self.cluster.followers_of(PATH)[0]]

    def is_replaced(self, disk, stall_ms=KILLED_MS):
        """The recording goes on without the broken disk, with as many copies as before."""
        broken = next(name for name, d in self.disks.items() if d is disk)
        self.wait_for_growth(1_000_000)
        self.finish(stall_ms, figure="disk_broken")
        wait_for(lambda: broken not in self.in_sync(), 10, f"{broken} to be given up")
        self.assert_copies(2)

    def in_sync(self, path=PATH):
        return {r["storage"] for r in self.cluster.stat(path)["replicas"] if r["state"] == "in-sync"}

    def assert_copies(self, copies, path=PATH):
        """As many equal copies; what lies on the broken disk does not count."""
        wait_for(lambda: len(self.in_sync(path)) >= copies, 20, f"{copies} in-sync replicas")
        expected = sha256(self.other / path[1:])
        self.assertEqual({sha256(p) for p in self.cluster.replica_paths(path)}, {expected})


class OneDisk(DiskCase):
    def test_primarys_disk_full_is_replaced_unnoticed(self):
        self.start_recording()
        disk = self.primary_disk()
        disk.fill(leave=300_000)
        self.is_replaced(disk)

    def test_followers_disk_full_is_replaced_unnoticed(self):
        self.start_recording()
        disk = self.follower_disk()
        disk.fill(leave=300_000)
        self.is_replaced(disk)

    def test_primarys_disk_read_only_is_replaced_unnoticed(self):
        self.start_recording()
        disk = self.primary_disk()
        disk.make_read_only()
        self.is_replaced(disk)

    def test_followers_disk_read_only_is_replaced_unnoticed(self):
        self.start_recording()
        disk = self.follower_disk()
        disk.make_read_only()
        self.is_replaced(disk)

    def test_primarys_disk_broken_is_replaced_unnoticed(self):
        self.start_recording()
        disk = self.primary_disk()
        disk.fail()
        self.is_replaced(disk)

    def test_followers_disk_broken_is_replaced_unnoticed(self):
        self.start_recording()
        disk = self.follower_disk()
        disk.fail()
        self.is_replaced(disk)

    def test_sealed_file_is_read_on_when_the_disk_under_it_breaks(self):
        data = b"sealed" * 500_000
        (self.cluster.mount / "movie").write_bytes(data)
        for name in sorted(self.in_sync("/movie"))[:1]:
            self.disks[name].fail()
        self.assertTrue((self.other / "movie").read_bytes() == data, "the bytes differ")


class EveryDisk(DiskCase):
    storages = 2

    def test_full_disks_are_an_error_and_no_hang_and_room_lets_the_recording_go_on(self):
        self.start_recording(follow=False)
        # Made before: a second later the trackers know that there is no room, and refuse new files.
        with open(self.cluster.mount / "big", "wb", buffering=0) as f:
            for disk in self.disks.values():
                disk.fill(leave=2_000_000)

            def write_on():
                with self.assertRaises(OSError) as raised:
                    for _ in range(100):
                        f.write(b"x" * (1 << 20))
                return raised.exception.errno
            self.assertEqual(write_on(), errno.ENOSPC)
            for disk in self.disks.values():
                disk.free()

            def write_and_sync():  # a write alone is only taken; what became of it, the next call tells
                f.write(b"later")
                os.fsync(f.fileno())
                return True
            wait_for(write_and_sync, 15, "a write when there is room")
        self.stop_file.touch()
        self.recorder.close()

    def test_disk_that_was_broken_is_caught_up_after_its_server_was_restarted(self):
        self.start_recording()
        broken = self.cluster.followers_of(PATH)[0]
        self.disks[broken].fail()
        self.wait_for_growth(1_000_000)
        self.cluster.kill(broken)
        self.disks[broken].unmount()
        self.disks[broken].mount()
        self.cluster.restart(broken)
        self.cluster.wait_in_sync(PATH)
        self.finish(HUNG_MS)
        self.assert_replicas_equal()


if __name__ == "__main__":
    unittest.main()
