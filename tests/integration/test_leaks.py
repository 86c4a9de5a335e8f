"""After many random operations nothing is left behind: descriptors, memory, catalog rows, data files.

VCFS_LEAK_OPERATIONS=1000000 makes it the long run (and waits until the trash has given back everything). VCFS_TEST_SEED replays.
"""
import os
import random
import sqlite3
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mount"))
import model_ops  # noqa: E402
from vcfs_test import env, shared  # noqa: E402
from vcfs_test.cluster import Cluster  # noqa: E402
from vcfs_test.wait import wait_for  # noqa: E402

OPERATIONS = int(os.environ.get("VCFS_LEAK_OPERATIONS", 4000))
LONG = OPERATIONS > 100_000
PER_SEQUENCE = 400
DESCRIPTORS = 24          # what may come and go by itself: connections, cached directories
GROWTH = 48 << 20         # of a daemon's memory after the warm-up: allocator, caches that are not full yet
CEILING = 600 << 20       # of a daemon's memory, whatever was done


class Leaks(unittest.TestCase):
    time_limit = 4 * 3600 if LONG else 280

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(storages=3, options=("--option", "tracker.trash-retention=0s", "--option", "tracker.pin-time=1m",
                                                   "--option", "storage.open-files=16")).up()
        cls.addClassCleanup(cls.cluster.close)
        cls.local = cls.cluster.scratch.path / "local"
        cls.local.mkdir()

    def run_operations(self, count, rng, progress=False):
        for begun in range(0, count, PER_SEQUENCE):
            if progress and begun % 100_000 == 0:
                print(f"{begun}: {({name: f'{size >> 20} MiB' for name, size in self.memory().items()})}", flush=True)
            weights = model_ops.NAMES if rng.random() < 0.5 else model_ops.BYTES
            operations = model_ops.PREFACE + [model_ops.draw(rng, weights) for _ in range(PER_SEQUENCE)]
            store, local = self.cluster.mount / f"r{begun}", self.local / f"r{begun}"
            for path in (store, local):
                path.mkdir()
            difference = model_ops.run_both(operations, str(store), str(local))
            if difference:  # told in the end: it is not what this test is about
                print(f"sequence at operation {begun}, step {difference[0]}: {difference[1]}", flush=True)
                self.differences.append(begun)
            for path in (store, local):
                shared.remove_tree(str(path))
                if path.exists():
                    path.rmdir()
                (path.parent / "b").unlink(missing_ok=True)  # made through a symbolic link to ../b

    def descriptors(self):
        return {name: len(os.listdir(f"/proc/{self.cluster.pid(name)}/fd")) for name in self.cluster.names()}

    def memory(self):
        return {name: self.cluster.rss_bytes(name) for name in self.cluster.names()}

    def data_files(self):
        return [os.path.join(f, n) for s in self.cluster.storages().values() for f, _, names in os.walk(s["data"])
                for n in names if len(n) == 16]

    def rows(self, query):
        database = sqlite3.connect(f"file:{self.cluster.directory}/catalog/catalog.db?mode=ro", uri=True, timeout=10)
        try:
            return database.execute(query).fetchone()[0]
        finally:
            database.close()

    def count(self, table):
        return self.rows(f"SELECT COUNT(*) FROM {table}")

    def test_many_random_operations_leave_nothing(self):
        seed = env.seed()
        print(f"seed {seed}, {OPERATIONS} operations", flush=True)
        rng = random.Random(seed)
        self.differences = []
        self.run_operations(1200, rng)
        descriptors, memory = self.descriptors(), self.memory()

        self.run_operations(OPERATIONS, rng, progress=LONG)

        self.assertEqual(os.listdir(self.cluster.mount), [])
        # What lost its name while it was open is kept for up to a minute after its last close.
        wait_for(lambda: not self.data_files(), 120, "every replica to be deleted")
        for table in ("dentries", "replicas", "removals", "pins"):
            wait_for(lambda: self.count(table) == 0, 90, f"no row in {table}")
        # Directories, links and fifos wait a minute for those who have them open.
        wait_for(lambda: self.rows("SELECT COUNT(*) FROM inodes WHERE type = 1") == 0, 30, "no file's inode")
        self.assertEqual(self.rows("SELECT COUNT(*) FROM inodes WHERE inode > 1 AND inode NOT IN (SELECT inode FROM trash)"), 0)
        if LONG:
            for table in ("trash", "xattrs"):
                wait_for(lambda: self.count(table) == 0, 120, f"no row in {table}")
            self.assertEqual(self.count("inodes"), 1)

        for name, now in self.descriptors().items():
            print(f"{name}: {descriptors[name]} descriptors, then {now}", flush=True)
            self.assertLessEqual(now, descriptors[name] + DESCRIPTORS, f"descriptors of {name}")
        for name, now in self.memory().items():
            print(f"{name}: {memory[name] >> 20} MiB, then {now >> 20} MiB", flush=True)
            self.assertLessEqual(now, CEILING, f"memory of {name}")
            if not LONG:
                self.assertLessEqual(now, memory[name] + GROWTH, f"memory of {name}")
        report = self.cluster.json("fsck", "--deep", timeout=120)
        self.assertEqual(report["problems"], [])
        self.assertEqual(self.differences, [], "sequences after which the store was not like a local directory")


if __name__ == "__main__":
    unittest.main()
