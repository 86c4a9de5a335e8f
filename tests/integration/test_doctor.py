"""What `vcfs doctor` tries out and says."""
import json
import subprocess
import unittest

from vcfs_test import env, mariadb
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
        for check in ("reach", "version", "settings", "clock", "disk", "space", "files", "fuse", "mount", "write"):
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


class OneOfSeveral(unittest.TestCase):
    """Two trackers, two ID servers and three storage servers, alike but for one."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = HostCluster(storages=3, trackers=2, catalog=mariadb.one_server, idservers=2)
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.up()

    def findings(self, check):
        result = self.cluster.vcfs("doctor", "--json", check=False, timeout=90)
        return of(json.loads(result.stdout), check)

    def restart_with(self, server, *options, prefix=()):
        self.cluster.restart_with(server, *options, prefix=prefix)
        self.addCleanup(self.cluster.restart_with, server)

    def test_servers_that_are_alike_are_well(self):
        for check in ("settings", "clock"):
            self.assertEqual([f["level"] for f in self.findings(check)], ["ok"], check)

    def test_a_server_whose_clock_is_ahead_is_named(self):
        library = env.helper("libvcfs-test-clock.so")
        self.restart_with("s2", prefix=["env", f"LD_PRELOAD={library}", "VCFS_TEST_CLOCK_AHEAD_MS=1700"])
        finding, = self.findings("clock")
        self.assertEqual(finding["level"], "bad", finding)
        self.assertTrue(finding["what"].startswith("the clock of storage s2 is 1"), finding)
        self.assertIn("chrony", finding["remedy"])

    def assert_differs(self, server, options, *expected):
        """`server` started with these options besides its own: a warning that has all of `expected`."""
        self.restart_with(server, *options)
        finding, = self.findings("settings")
        self.assertEqual(finding["level"], "warning")
        for text in expected:
            self.assertIn(text, finding["what"])
        self.assertIn("one value", finding["remedy"])

    def test_a_storage_server_with_another_reserve_is_named(self):
        self.assert_differs("s2", ["--reserve", "2MiB"], "reserve of storage servers", "1GiB (", "2MiB (s2)")

    def test_a_tracker_with_another_replace_after_is_named(self):
        first, second = self.cluster.addresses
        self.assert_differs("tracker1", ["--replace-after", "5m"], "replace-after of trackers", f"10m ({first})", f"5m ({second})")

    def test_a_tracker_that_was_not_told_of_an_id_server_is_named(self):
        idservers = f"{self.cluster.host('idserver0').address}:21010"
        self.assert_differs("tracker1", ["--idservers", idservers], "idservers of trackers", f"{idservers} ({self.cluster.addresses[1]})")

    def test_a_tracker_with_other_database_nodes_is_named_and_no_password(self):
        host = self.cluster.databases[0].host
        self.assert_differs("tracker1", ["--catalog", mariadb.url(host, host)], "catalog of trackers", "mariadb://" + host.address)
        self.assertNotIn(mariadb.PASSWORD, self.cluster.vcfs("status", "--json").stdout)

    def test_what_depends_on_the_machine_may_differ(self):
        self.restart_with("s2", "--open-files", 4096)
        self.assertEqual([f["level"] for f in self.findings("settings")], ["ok"])


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
