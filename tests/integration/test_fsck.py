"""What `vcfs fsck` finds, what it does not complain about, and what it repairs."""
import json
import os
import random
import shutil
import sqlite3
import unittest

from vcfs_test.cluster import Cluster
from vcfs_test.files import pattern, sha256
from vcfs_test.records import Recorder
from vcfs_test.wait import wait_for


class FsckCase(unittest.TestCase):
    storages = 3
    options = ("--option", "tracker.trash-retention=0s")

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(storages=cls.storages, options=cls.options).up()
        cls.addClassCleanup(cls.cluster.close)
        cls.dir = cls.cluster.mount / "Alice"
        cls.dir.mkdir()

    def fsck(self, *options, code=None):
        result = self.cluster.vcfs("fsck", "--json", *options, check=False, timeout=120)
        self.assertIn(result.returncode, (0, 1, 2), result.stderr)
        self.assertTrue(result.stdout, result.stderr)
        report = json.loads(result.stdout)
        if code is not None:
            self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return report

    def clean(self, *options):
        report = self.fsck(*options)
        self.assertEqual((report["problems"], report["unreachable"]), ([], []))
        return report

    def make(self, name, size=300_000):
        """A closed file in both places; its path in the store."""
        path = f"/Alice/{name}"
        (self.dir / name).write_bytes(pattern(size))
        self.cluster.wait_sealed()
        self.cluster.wait_in_sync(path)
        return path

    def found(self, report, kind, path):
        problems = [p for p in report["problems"] if p["kind"] == kind and p["path"] == path]
        self.assertEqual(len(problems), 1, report["problems"])
        return problems[0]

    def repaired(self, path):
        """fsck --repair makes the file whole again, byte for byte."""
        self.fsck("--repair", code=1)
        expected = pattern(300_000)

        def whole():
            replicas = self.cluster.stat(path)["replicas"]
            return [r["state"] for r in replicas] == ["in-sync"] * 2 and \
                all(open(r["path"], "rb").read() == expected for r in replicas)
        wait_for(whole, 20, f"{path} to be whole")
        self.assertEqual((self.dir / os.path.basename(path)).read_bytes(), expected)
        wait_for(lambda: self.fsck()["clean"], 20, "a clean cluster", interval=0.5)


class Finds(FsckCase):
    def test_a_missing_replica_is_named_and_made_again(self):
        path = self.make("missing")
        gone = self.cluster.replica_paths(path)[0]
        os.unlink(gone)
        problem = self.found(self.fsck(code=1), "missing", path)
        self.assertEqual(problem["file"], gone)
        self.assertIn("--repair", problem["remedy"])
        self.repaired(path)

    def test_a_truncated_replica_is_named_and_made_again(self):
        path = self.make("truncated")
        os.truncate(self.cluster.replica_paths(path)[1], 1000)
        self.found(self.fsck(code=1), "size", path)
        self.repaired(path)

    def test_a_corrupted_replica_is_found_by_deep_only(self):
        path = self.make("corrupted")
        bad = self.cluster.replica_paths(path)[0]
        with open(bad, "r+b") as f:
            f.seek(150_000)
            f.write(b"\0" * 64)
        self.addCleanup(os.unlink, self.dir / "corrupted")
        self.clean()
        problem = self.found(self.fsck("--deep", code=1), "checksum", path)
        self.assertIn("differ", problem["detail"])

    def test_an_extra_replica_of_a_known_file_is_named_and_deleted(self):
        path = self.make("extra")
        source = self.cluster.replica_paths(path)[0]
        held = {r["storage"] for r in self.cluster.stat(path)["replicas"]}
        other = next(s for s in self.cluster.storages().values() if s["name"] not in held)
        relative = "/".join(source.split("/")[-3:])
        extra = os.path.join(other["data"], relative)
        os.makedirs(os.path.dirname(extra), exist_ok=True)
        shutil.copy2(source, extra)
        for name in os.listxattr(source):
            os.setxattr(extra, name, os.getxattr(source, name))
        problem = self.found(self.fsck(code=1), "extra", path)
        self.assertEqual((problem["file"], problem["storage"]), (extra, other["name"]))
        # It is younger than the trash retention and a minute: not yet.
        self.fsck("--repair", code=1)
        self.assertTrue(os.path.exists(extra))
        os.utime(extra, (1_000_000_000, 1_000_000_000))
        self.assertTrue(self.found(self.fsck("--repair", code=1), "extra", path)["repaired"])
        self.assertFalse(os.path.exists(extra))
        self.clean()

    def test_a_file_that_the_catalog_does_not_know_is_found(self):
        path = self.make("known")
        source = self.cluster.replica_paths(path)[0]
        stray = source[:-16] + "0fff" + source[-12:]
        shutil.copy2(source, stray)
        for name in os.listxattr(source):
            os.setxattr(stray, name, os.getxattr(source, name))
        self.addCleanup(lambda: os.path.exists(stray) and os.unlink(stray))
        report = self.fsck(code=1)
        self.assertEqual([(p["kind"], p["file"]) for p in report["problems"]], [("extra", stray)])

    def test_files_with_numbers_that_no_inode_has_are_found_and_deleted(self):
        path = self.make("numbered")
        source = self.cluster.replica_paths(path)[0]
        data = source[:-len("/aa/bb/0123456789abcdef")]
        strays = set()
        for number in ("4000000000000001", "7fffffffffffffff", "fffffffffffffff0"):
            stray = f"{data}/{number[10:12]}/{number[12:14]}/{number}"
            os.makedirs(os.path.dirname(stray), exist_ok=True)
            shutil.copy2(source, stray)
            strays.add(stray)
        report = self.fsck(code=1)
        self.assertEqual({(p["kind"], p["file"]) for p in report["problems"]}, {("extra", stray) for stray in strays})
        self.fsck("--repair", code=1)
        self.assertEqual([stray for stray in strays if os.path.exists(stray)], [])
        self.clean()

    def test_an_unreachable_server_is_named_and_is_no_clean_cluster(self):
        path = self.make("away")
        victim = next(s for s in self.cluster.storages()
                      if s not in {r["storage"] for r in self.cluster.stat(path)["replicas"]})
        self.cluster.kill(victim)
        self.addCleanup(self.cluster.restart, victim)
        report = self.fsck()
        self.assertEqual(report["unreachable"], [victim])


class DamagedCatalog(FsckCase):
    storages = 2

    def edit(self, *statements):
        database = sqlite3.connect(self.cluster.directory / "catalog/catalog.db", timeout=10)
        with database:
            for statement in statements:
                database.execute(statement)
        database.close()

    def test_every_kind_of_damage_is_found(self):
        self.make("linked")
        self.make("dangling")
        self.make("lost")
        (self.dir / "sub").mkdir()
        inode = {n: int(self.cluster.stat(f"/Alice/{n}")["id"], 16) for n in ("linked", "dangling", "lost")}
        self.edit(f"UPDATE inodes SET nlink = 5 WHERE inode = {inode['linked']}",
                  f"DELETE FROM inodes WHERE inode = {inode['dangling']}",
                  f"DELETE FROM dentries WHERE inode = {inode['lost']}",
                  f"UPDATE inodes SET nlink = 0 WHERE inode = {inode['lost']}",
                  "UPDATE inodes SET nlink = 9 WHERE path = CAST('Alice' AS BLOB) OR path = 'Alice'")
        report = self.fsck(code=1)
        kinds = {(p["kind"], p["path"]) for p in report["problems"]}
        self.assertIn(("links", "/Alice/linked"), kinds)
        self.assertIn(("dangling", "/Alice/dangling"), kinds)
        self.assertIn(("links", "/Alice"), kinds)
        self.assertLessEqual({"orphan", "leaked"}, {kind for kind, _ in kinds})


class Clean(FsckCase):
    def test_a_cluster_at_work_is_clean(self):
        """Files are made, written, renamed, linked and deleted all the time; a recording runs."""
        recorder = Recorder(self.dir / "meeting", seconds=60, stop_file=str(self.cluster.scratch.path / "stop"))
        self.addCleanup(recorder.close)
        draw = random.Random(4)
        names = [f"f{i}" for i in range(60)]
        for step in range(400):
            a, b = (self.dir / draw.choice(names) for _ in range(2))
            kind = draw.randrange(5)
            try:
                if kind <= 1:
                    a.write_bytes(pattern(draw.randrange(100_000)))
                elif kind == 2:
                    os.rename(a, b)
                elif kind == 3:
                    os.link(a, b)
                else:
                    os.unlink(a)
            except (FileNotFoundError, FileExistsError):
                pass
        self.clean("--deep")
        recorder.stop()
        self.assertEqual(recorder.result()["errors"], 0)

    def test_an_empty_file_and_a_directory_tree_are_clean(self):
        (self.dir / "empty").touch()
        os.makedirs(self.dir / "a/b/c")
        os.rename(self.dir / "a/b", self.dir / "moved")
        os.symlink("nowhere", self.dir / "link")
        self.assertGreater(self.clean()["checked"]["inodes"], 5)


if __name__ == "__main__":
    unittest.main()
