"""A storage server is emptied, given up or removed while meetings are recorded.

Fault model: one server at a time leaves: on purpose (drain), or for good (killed and not started again for longer than
`replace-after`). The tracker, or the server that is being emptied, may be restarted in the middle. Disks keep what was written.
Survival is expected because a replica is given up only when enough others are in sync, and everything that is under way stands in
the catalog.
"""
import os
import unittest

from fault_case import KILLED_MS, PATH, FaultCase
from vcfs_test.cluster import Cluster
from vcfs_test.files import pattern, sha256
from vcfs_test.wait import wait_for


def data_files(directory):
    """Replicas on a server's disk."""
    return {os.path.join(f, n) for f, _, names in os.walk(directory) for n in names if len(n) == 16}


class ServersLeave(FaultCase):
    storages = 3
    copies = 2
    replace_after = "2s"

    def make_cluster(self):
        return Cluster(storages=self.storages, copies=self.copies,
                       options=("--option", f"tracker.replace-after={self.replace_after}",
                                "--option", "tracker.trash-retention=0s"))

    def write_files(self, count=20, size=50_000):
        for i in range(count):
            (self.cluster.mount / f"old-{i}").write_bytes(pattern(size + i))
        for i in range(count):
            self.cluster.wait_in_sync(f"/old-{i}")

    def check_files(self, count=20, size=50_000, without=None):
        for i in range(count):
            self.assertEqual((self.other / f"old-{i}").read_bytes(), pattern(size + i))
            replicas = self.cluster.stat(f"/old-{i}")["replicas"]
            self.assertEqual([r["state"] for r in replicas], ["in-sync"] * 2, f"old-{i}: {replicas}")
            self.assertNotIn(without, [r["storage"] for r in replicas])
            self.assertEqual(len({sha256(r["path"]) for r in replicas}), 1)

    def servers(self):
        return {s["name"]: s for s in self.cluster.json("storage list")}

    def drained(self, name):
        return self.servers()[name].get("drained", False)

    def degraded(self):
        return self.cluster.status()["files"]["degraded"]

    def empty_on_disk(self, name):
        wait_for(lambda: not data_files(self.servers()[name]["data"]), 15, f"{name} to have deleted its replicas")


class Drain(ServersLeave):
    def test_the_primary_of_a_running_recording_is_emptied_unnoticed(self):
        self.write_files()
        self.start_recording()
        leaving = self.cluster.primary_of(PATH)
        out = self.cluster.vcfs("storage drain", leaving, "--wait", timeout=60).stdout
        self.assertIn("empty", out)
        self.assertNotIn(leaving, [r["storage"] for r in self.cluster.stat(PATH)["replicas"]])
        self.wait_for_growth(500_000)
        (self.cluster.mount / "new").write_bytes(b"x")
        self.assertNotIn(leaving, [r["storage"] for r in self.cluster.stat("/new")["replicas"]])
        self.finish(KILLED_MS)
        self.assert_replicas_equal()
        self.check_files(without=leaving)
        self.empty_on_disk(leaving)

    def test_a_running_recording_has_two_copies_while_its_primary_moves(self):
        self.start_recording()
        leaving = self.cluster.primary_of(PATH)
        self.cluster.vcfs("storage drain", leaving)
        seen = []

        def moved():
            seen.append([(r["storage"], r["state"]) for r in self.cluster.stat(PATH)["replicas"]])
            return leaving not in [storage for storage, _ in seen[-1]]
        wait_for(moved, 30, f"the recording to leave {leaving}", interval=0)
        fewest = min(seen, key=lambda replicas: sum(state == "in-sync" for _, state in replicas))
        self.assertGreaterEqual(sum(state == "in-sync" for _, state in fewest), 2, fewest)
        self.finish(KILLED_MS)
        self.assert_replicas_equal()

    def test_a_follower_of_a_running_recording_is_emptied_unnoticed(self):
        self.start_recording()
        leaving = self.cluster.followers_of(PATH)[0]
        self.cluster.vcfs("storage drain", leaving, "--wait", timeout=60)
        self.wait_for_growth(500_000)
        self.finish(KILLED_MS)
        self.assert_replicas_equal()
        self.assertNotIn(leaving, [r["storage"] for r in self.cluster.stat(PATH)["replicas"]])

    def test_a_real_recorder_does_not_notice_that_its_servers_are_emptied_one_after_the_other(self):
        path = "/meeting/talk.ts"
        self.start_ffmpeg(path)
        for name in sorted(self.cluster.storages())[:2]:
            self.cluster.vcfs("storage drain", name, "--wait", timeout=60)
            self.cluster.vcfs("storage drain", name, "--cancel")
        self.finish_ffmpeg(path)

    def test_the_tracker_dies_in_the_middle_and_the_emptying_goes_on(self):
        self.write_files(count=40)
        self.start_recording()
        leaving = self.cluster.primary_of(PATH)
        self.cluster.vcfs("storage drain", leaving)
        self.cluster.kill("tracker0")
        self.cluster.restart("tracker0")
        wait_for(lambda: self.drained(leaving), 40, f"{leaving} to be empty")
        self.finish(KILLED_MS)
        self.assert_replicas_equal()
        self.check_files(count=40, without=leaving)

    def test_the_server_that_is_emptied_dies_and_comes_back_and_is_emptied(self):
        self.write_files(count=40)
        leaving = sorted(self.cluster.storages())[0]
        self.cluster.vcfs("storage drain", leaving)
        self.cluster.kill(leaving)
        self.cluster.restart(leaving)
        self.cluster.vcfs("storage drain", leaving, "--wait", timeout=60)
        self.check_files(count=40, without=leaving)
        self.empty_on_disk(leaving)

    def test_cancelled_it_takes_files_again(self):
        leaving = sorted(self.cluster.storages())[0]
        self.cluster.vcfs("storage drain", leaving)
        self.assertTrue(self.servers()[leaving]["draining"])
        self.cluster.vcfs("storage drain", leaving, "--cancel")
        self.assertFalse(self.servers()[leaving]["draining"])

        def placed():
            name = f"f{len(os.listdir(self.cluster.mount))}"
            (self.cluster.mount / name).write_bytes(b"x")
            return leaving in [r["storage"] for r in self.cluster.stat("/" + name)["replicas"]]
        wait_for(placed, 20, f"a file on {leaving}")

    def test_an_unknown_server_is_named(self):
        result = self.cluster.vcfs("storage drain", "nobody", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("nobody", result.stderr)


class Gone(ServersLeave):
    def test_its_files_are_made_elsewhere_sealed_and_running_ones(self):
        self.write_files()
        self.start_recording()
        victim = self.cluster.primary_of(PATH)
        held = [i for i in range(20) if victim in [r["storage"] for r in self.cluster.stat(f"/old-{i}")["replicas"]]]
        self.assertTrue(held)
        self.cluster.kill(victim)
        wait_for(lambda: self.degraded() >= len(held), 10, "sealed files to be counted as degraded")
        wait_for(lambda: self.degraded() == 0, 40, "no degraded file")
        self.wait_for_growth(500_000)
        self.finish(KILLED_MS)
        self.check_files(without=victim)
        self.assert_replicas_equal()
        self.cluster.restart(victim)
        self.empty_on_disk(victim)
        self.check_files()


class ComesBack(ServersLeave):
    replace_after = "10m"

    def test_back_within_the_grace_time_it_keeps_its_files(self):
        self.write_files(count=5)
        victim = self.cluster.primary_of("/old-0")
        before = self.cluster.stat("/old-0")["replicas"]
        self.cluster.kill(victim)
        wait_for(lambda: self.degraded() > 0, 10, "degraded files")
        self.cluster.restart(victim)
        wait_for(lambda: self.degraded() == 0, 20, "no degraded file")
        self.assertEqual([r["storage"] for r in self.cluster.stat("/old-0")["replicas"]], [r["storage"] for r in before])


class Remove(ServersLeave):
    def refused(self, name, *says):
        result = self.cluster.vcfs("storage remove", name, check=False)
        self.assertEqual(result.returncode, 1, result.stdout)
        for text in says:
            self.assertIn(text, result.stderr)

    def test_refused_while_it_is_up_or_needed_then_it_is_forgotten(self):
        self.write_files(count=5)
        name = self.cluster.primary_of("/old-0")
        self.refused(name, "is up")
        self.refused("nobody", "nobody")
        data = self.servers()[name]["data"]
        self.cluster.kill(name)
        wait_for(lambda: self.servers()[name]["state"] == "unreachable", 10, f"{name} to be away")
        self.refused(name, "files have an up-to-date copy", "drain")
        self.cluster.vcfs("storage drain", name, "--wait", timeout=60)
        self.cluster.vcfs("storage remove", name)
        self.assertNotIn(name, self.servers())
        self.check_files(count=5, without=name)
        self.assertTrue(data_files(data), "the disk of a removed server is left alone")


class TheOnlyCopy(ServersLeave):
    storages = 2
    copies = 1
    replace_after = "1s"

    def test_a_server_with_the_only_copy_is_not_removed(self):
        (self.cluster.mount / "alone").write_bytes(b"only here")
        self.cluster.wait_sealed()
        name = self.cluster.primary_of("/alone")
        self.cluster.kill(name)
        wait_for(lambda: self.servers()[name].get("only_here", 0) == 1, 15, "the count of files that only it has")
        result = self.cluster.vcfs("storage remove", name, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("their only one", result.stderr)
        self.assertIn("/alone", result.stderr)
        self.cluster.restart(name)
        self.cluster.vcfs("storage drain", name, "--wait", timeout=60)
        self.assertEqual((self.other / "alone").read_bytes(), b"only here")
        self.assertNotEqual(self.cluster.primary_of("/alone"), name)


if __name__ == "__main__":
    unittest.main()
