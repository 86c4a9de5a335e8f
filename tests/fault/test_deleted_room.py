"""The store is full, and somebody deletes old recordings until there is room.

Fault model: two storage servers, each on a small filesystem of its own. Survival is expected because statfs counts what was deleted
as free at once, and the trackers give it back before its time where a server is short of room.
"""
import os
import unittest

from vcfs_test.disks import SmallDisk
from vcfs_test.files import pattern
from vcfs_test.hosts import HostCluster
from vcfs_test.wait import wait_for

MEGABYTES = 100
MIB = 1 << 20
RECORDING = pattern(8 * MIB)
WANTED = 20 * MIB


def room(path):
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize


class DeletedRoom(unittest.TestCase):
    time_limit = 300

    def setUp(self):
        names = ("s1", "s2")
        self.disks = dict.fromkeys(names)
        self.cluster = HostCluster(storages=2, disks=self.disks, storage_options=("--reserve", "0"), tracker_options=("--min-free", "2MiB"))
        self.addCleanup(self.close)
        for name in names:
            self.disks[name] = self.cluster.closing(SmallDisk(self.cluster.scratch.path, f"disk-{name}", MEGABYTES))
        self.cluster.use_disks({name: self.disks[name].path / "data" for name in names})
        self.cluster.up()
        self.top = self.cluster.mount

    def close(self):
        failed = any(test is self for test, _ in self._outcome.result.failures + self._outcome.result.errors)
        self.cluster.close(keep_logs_as=self.id() if failed else None)

    def record(self, name):
        with open(self.top / name, "wb") as f:
            f.write(RECORDING)
            os.fsync(f.fileno())

    def disks_tell(self, least):
        """That is what the servers' next heartbeats say."""
        return all(room(disk.path) >= least for disk in self.disks.values())

    def fill(self):
        """Recordings until there is no room for another one, as every server has told the trackers."""
        count = 0
        while min(room(disk.path) for disk in self.disks.values()) > len(RECORDING) + 2 * MIB:
            self.record(f"{count:02}")
            count += 1
        wait_for(lambda: room(self.top) < len(RECORDING) + MIB, 10, "a mount that shows no room")
        return count

    def test_who_deletes_until_df_shows_room_deletes_no_more_than_that_and_gets_it(self):
        count = self.fill()
        before = room(self.top)
        deleted = 0
        while room(self.top) < WANTED:
            os.unlink(self.top / f"{deleted:02}")
            deleted += 1
            wait_for(lambda: room(self.top) >= before + deleted * len(RECORDING) - MIB, 12, "what was deleted in df")
        self.assertEqual(deleted, -(-(WANTED - before) // len(RECORDING)))
        self.assertLess(deleted, count)
        wait_for(lambda: self.disks_tell(WANTED), 150, "the room on the servers' disks")
        self.record("new")
        self.assertEqual((self.top / "new").read_bytes(), RECORDING)
        self.assertEqual((self.top / f"{deleted:02}").read_bytes(), RECORDING)


if __name__ == "__main__":
    unittest.main()
