"""What `vcfs doctor` tries out and says."""
import json
import subprocess
import unittest

from vcfs_test import env
from vcfs_test.cluster import Cluster, is_running
from vcfs_test.disks import SmallDisk
from vcfs_test.hosts import HostCluster
from vcfs_test.wait import wait_for


def of(report, check):
    return [f for f in report["findings"] if f["check"] == check]


class Doctor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(storages=4, groups=2).up()
        cls.addClassCleanup(cls.cluster.close)

    def doctor(self, *options):
        result = self.cluster.vcfs("doctor", "--json", *options, check=False, timeout=90)
        self.assertTrue(result.stdout, result.stderr)
        return result.returncode, json.loads(result.stdout)

    def processes(self):
        """{name: (pid, when it was started)} of every daemon and mount."""
        def started(pid):
            with open(f"/proc/{pid}/stat") as f:
                return f.read().rsplit(")", 1)[1].split()[19]
        return {name: (pid, started(pid)) for name in self.cluster.names() if is_running(pid := self.cluster.pid(name))}

    def test_a_cluster_that_is_well(self):
        code, report = self.doctor()
        self.assertEqual((code, report["well"]), (0, True), report)
        for check in ("reach", "version", "clock", "disk", "space", "files", "fuse", "mount", "write"):
            self.assertTrue(of(report, check), check)
        self.assertEqual([f["level"] for f in of(report, "write")], ["ok", "ok"])
        self.assertTrue(all("2 of 2 servers" in f["what"] for f in of(report, "write")), of(report, "write"))
        self.assertEqual([p.name for p in self.cluster.mount.iterdir() if p.name.startswith("vcfs-doctor")], [])

    def test_a_dead_server_is_named_with_what_to_do(self):
        victim = sorted(self.cluster.storages())[0]
        self.cluster.kill(victim)
        self.addCleanup(self.cluster.restart, victim)
        wait_for(lambda: self.cluster.storages()[victim]["state"] != "up", 10, f"{victim} to be noticed")
        code, report = self.doctor()
        self.assertEqual(code, 1)
        bad = [f for f in report["findings"] if f["level"] == "bad"]
        self.assertTrue(any(victim in f["what"] and f["remedy"] for f in bad), bad)

    def test_without_kill_every_process_goes_on(self):
        before = self.processes()
        self.assertEqual(len(before), 4 + 1 + 1 + 1 + 1)
        self.doctor()
        self.assertEqual(self.processes(), before)

    def test_with_kill_one_server_is_killed_under_a_recording_and_runs_again(self):
        before = self.processes()
        code, report = self.doctor("--kill")
        finding = of(report, "kill")[0]
        self.assertIn(finding["level"], ("ok", "warning"), finding)
        self.assertEqual(code, 0, report)
        wait_for(self.is_whole, 20, "all servers up and every file with all copies")
        after = self.processes()
        self.assertEqual(after.keys(), before.keys())
        changed = [name for name in before if after[name] != before[name]]
        self.assertEqual(len(changed), 1, changed)
        self.assertTrue(finding["what"].startswith(f"{changed[0]} was killed"), finding)

    def is_whole(self):
        status = self.cluster.status()
        return all(s["state"] == "up" for s in status["storages"]) and status["files"]["degraded"] == 0

    def test_nothing_is_killed_in_a_cluster_of_others(self):
        line = [env.program("vcfs"), "doctor", "--kill", "--trackers", self.cluster.trackers]
        result = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 2, result.stdout)
        self.assertIn("--kill", result.stderr)


class Disks(unittest.TestCase):
    """Each storage server has a small disk of its own."""

    def setUp(self):
        self.cluster = HostCluster(storages=3, storage_options=("--reserve", "10MiB"), tracker_options=("--min-free", "0"))
        self.addCleanup(self.cluster.close)
        self.disks = {f"s{i}": self.cluster.closing(SmallDisk(self.cluster.scratch.path, f"disk-{i}", 100)) for i in (1, 2, 3)}
        self.cluster.use_disks({name: disk.path / "data" for name, disk in self.disks.items()})
        self.cluster.up()

    def assert_bad(self, check, text):
        result = self.cluster.vcfs("doctor", "--json", check=False, timeout=90)
        self.assertEqual(result.returncode, 1, result.stderr)
        bad = [f for f in of(json.loads(result.stdout), check) if f["level"] == "bad"]
        self.assertEqual(len(bad), 1, bad)
        self.assertIn(text, bad[0]["what"])
        self.assertTrue(bad[0]["remedy"])

    def test_that_is_full_is_named(self):
        self.disks["s2"].fill()
        wait_for(lambda: self.cluster.storages()["s2"]["free_bytes"] == 0, 10, "the server to tell that its disk is full")
        self.assert_bad("space", "s2 is full")

    def test_that_is_read_only_is_named(self):
        self.disks["s3"].make_read_only()
        self.assert_bad("disk", "s3: ext4")

    def test_that_fails_is_named(self):
        self.disks["s1"].fail()
        self.assert_bad("disk", "s1: ext4")


if __name__ == "__main__":
    unittest.main()
