"""A catalog is lost and comes back from a backup that is older than the last failovers.

Fault model: the catalog's file is that of an earlier moment; the disks and the ID server's directory are what they were last. Since
the backup files were moved between servers, and recordings went on at others. Survival is expected because every replica knows the
highest epoch it has seen: `vcfs fsck --repair` lets the catalog go on from the replicas of the latest one.
"""
import json
import os
import subprocess
import unittest

from vcfs_test.cluster import Cluster
from vcfs_test.files import pattern
from vcfs_test.wait import wait_for

SIZE = 3_000_000


class RestoredCatalog(unittest.TestCase):
    time_limit = 180

    def setUp(self):
        self.cluster = Cluster(storages=3)
        self.addCleanup(self.cluster.close)
        self.cluster.up()
        self.catalog = self.cluster.directory / "catalog" / "catalog.db"
        self.backup = self.cluster.scratch.path / "backup.db"

    def back_up(self):
        """As docs/operations.md says it, while the tracker runs."""
        subprocess.run(["sqlite3", "-readonly", str(self.catalog), f"VACUUM INTO '{self.backup}'"], check=True, timeout=30)

    def restore(self):
        self.cluster.down()
        for suffix in ("-wal", "-shm"):
            self.catalog.with_name(self.catalog.name + suffix).unlink(missing_ok=True)
        self.catalog.write_bytes(self.backup.read_bytes())
        self.cluster.up()
        up = lambda: all(s["state"] == "up" for s in self.cluster.json("storage list"))
        wait_for(up, 20, "every storage server to be up")

    def fsck(self, *options):
        result = self.cluster.vcfs("fsck", "--json", *options, check=False, timeout=120)
        self.assertIn(result.returncode, (0, 1), result.stdout + result.stderr)
        return json.loads(result.stdout)

    def assert_is_found_and_repaired(self, path):
        found = {p["kind"] for p in self.fsck()["problems"] if p["path"] == path}
        self.assertIn("newer", found)
        repaired = [p for p in self.fsck("--repair")["problems"] if p["kind"] == "newer"]
        self.assertTrue(repaired and all(p["repaired"] for p in repaired), repaired)
        self.assertEqual((self.cluster.mount / path[1:]).read_bytes(), pattern(SIZE))
        self.cluster.wait_in_sync(path)
        self.cluster.wait_sealed(40)
        wait_for(lambda: self.fsck()["clean"], 40, "a clean cluster", interval=0.5)
        for replica in self.cluster.replica_paths(path):
            with open(replica, "rb") as f:
                self.assertEqual(f.read(), pattern(SIZE))

    def test_a_file_that_was_moved_since_the_backup_is_read_from_where_it_is(self):
        (self.cluster.mount / "moved").write_bytes(pattern(SIZE))
        self.cluster.wait_in_sync("/moved")
        self.cluster.wait_sealed()
        self.back_up()
        self.cluster.vcfs("storage drain", self.cluster.primary_of("/moved"), "--wait", timeout=60)
        self.restore()
        self.assert_is_found_and_repaired("/moved")

    def test_a_recording_that_failed_over_since_the_backup_is_whole(self):
        half = SIZE // 2
        with open(self.cluster.mount / "rec", "wb", buffering=0) as f:
            f.write(pattern(SIZE)[:half])
            os.fsync(f.fileno())
            self.back_up()
            primary = self.cluster.primary_of("/rec")
            self.cluster.kill(primary)
            f.write(pattern(SIZE)[half:])
            os.fsync(f.fileno())
        self.cluster.wait_sealed()
        self.cluster.restart(primary)
        self.cluster.wait_in_sync("/rec")
        self.restore()
        self.assert_is_found_and_repaired("/rec")


if __name__ == "__main__":
    unittest.main()
