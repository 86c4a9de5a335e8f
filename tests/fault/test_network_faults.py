"""Cables, switches and hosts fail while a meeting is recorded.

Fault model: every server has a host (network namespace) of its own. Packets between two hosts, or between one and all others, are
dropped in both directions or in one, for a while; nobody is told. Processes and disks are well.
Survival is expected because whoever hears nothing for a second reports it, the catalog raises the epoch, and a server that was cut
off cannot acknowledge what the others do not have.
"""
import time
import unittest

from fault_case import HUNG_MS, KILLED_MS, PATH
from network_case import NetworkCase
from vcfs_test import env, figures
from vcfs_test.records import HttpFollower, Recorder, verify
from vcfs_test.wait import wait_for


class CutOff(NetworkCase):
    """With a third server that takes the place of the one that is cut off."""

    def test_primary_cut_off_in_both_directions_is_replaced_within_3_s(self):
        self.start_recording()
        server = self.servers()[0]
        server.cut()
        self.goes_on_and_heals(replaced=server)

    def test_follower_cut_off_in_both_directions_is_replaced_within_3_s(self):
        self.start_recording()
        server = self.servers()[1]
        server.cut()
        self.goes_on_and_heals(replaced=server)

    def test_primary_that_hears_nobody_is_replaced_within_3_s(self):
        self.start_recording()
        server = self.servers()[0]
        server.cut_in()
        self.goes_on_and_heals(replaced=server)

    def test_primary_that_nobody_hears_is_replaced_within_3_s(self):
        self.start_recording()
        server = self.servers()[0]
        server.cut_out()
        self.goes_on_and_heals(replaced=server)

    def test_follower_that_hears_nobody_is_replaced_within_3_s(self):
        self.start_recording()
        server = self.servers()[1]
        server.cut_in()
        self.goes_on_and_heals(replaced=server)

    def test_follower_that_nobody_hears_is_replaced_within_3_s(self):
        self.start_recording()
        server = self.servers()[1]
        server.cut_out()
        self.goes_on_and_heals(replaced=server)

    def test_primary_and_follower_cut_off_from_each_other_only(self):
        self.start_recording()
        primary, follower = self.servers()
        primary.cut_from(follower)
        self.goes_on_and_heals(kept=[primary], replaced=follower)

    def test_recorders_host_cut_off_from_the_primary_only(self):
        self.start_recording()
        primary = self.servers()[0]
        self.host("recorder").cut_from(primary)
        self.goes_on_and_heals(replaced=primary)

    def test_recorders_host_cut_off_from_the_follower_only_is_not_noticed(self):
        self.start_recording()
        primary, follower = self.servers()
        self.host("recorder").cut_from(follower)
        self.goes_on_and_heals(KILLED_MS, kept=[primary, follower])

    def test_tracker_cut_off_is_not_noticed_by_an_open_recording(self):
        self.start_recording()
        self.host("tracker0").cut()
        self.goes_on_and_heals(KILLED_MS)

    def test_short_cut_of_the_primary_every_two_seconds(self):
        """Shorter than what makes anybody give up a server: a flapping cable."""
        self.start_recording()
        primary = self.servers()[0]
        for _ in range(3):
            primary.cut()
            time.sleep(0.4)  # the fault's duration
            self.cluster.network.heal()
            self.wait_for_growth(500_000)
        self.goes_on_and_heals(HUNG_MS)


class Fencing(NetworkCase):
    """Two servers: nobody can take the place of the one that is cut off, it must come back itself."""

    storages = 2

    def test_old_primary_cannot_acknowledge_and_comes_back_stale_and_is_caught_up(self):
        self.start_recording()
        primary, follower = self.servers()
        # Its own clients still reach it: another recorder's host that hears the old primary only, and the tracker does not.
        primary.cut_from(follower, self.host("recorder"), self.host("tracker0"), self.host("viewer"))
        self.wait_for_growth(1_000_000)
        replicas = {r["storage"]: r["state"] for r in self.cluster.stat(PATH)["replicas"]}
        self.assertEqual(replicas[follower.name], "in-sync")
        self.assertNotEqual(replicas[primary.name], "in-sync")
        self.wait_for_growth(500_000)
        self.cluster.network.heal()
        self.cluster.wait_in_sync(PATH)
        self.wait_for_growth(500_000)
        self.finish(HUNG_MS)
        self.assert_replicas_equal()

    def test_writer_that_reaches_only_the_old_primary_is_never_told_that_its_bytes_are_safe(self):
        self.start_recording(follow=False)
        primary, follower = self.servers()
        before = verify(self.other / PATH[1:])["records"]
        # The writer's host and the old primary are alone together; the others go on without them.
        for alone in (primary, self.host("recorder")):
            for other in (follower, self.host("tracker0"), self.host("viewer")):
                alone.cut_from(other)
        second = Recorder(self.other / "meeting/elsewhere.bin", seconds=3, fsync=500)
        self.addCleanup(second.close)
        self.assertEqual(second.result()["errors"], 0)
        self.cluster.network.heal()
        self.wait_for_growth(500_000, deadline=30)
        written = self.finish(20_000)
        self.assertGreater(written["records"], before)
        for path in (PATH, "/meeting/elsewhere.bin"):
            self.assert_replicas_equal(path)


class RecordersHost(NetworkCase):
    storages = 2
    httpd = True

    def test_host_cut_off_for_longer_than_the_lease_leaves_a_recovered_recording_and_ends_live_streams(self):
        self.start_recording(follow=False)
        viewer = HttpFollower(self.cluster.url + PATH + "?live=1", prefix=self.host("viewer").prefix)
        self.addCleanup(viewer.close)
        self.wait_for_growth(500_000)
        size = self.size_watcher(PATH)()
        self.host("recorder").cut()
        begin = time.monotonic()
        self.cluster.wait_state(PATH, "recovered", 25)
        figures.add("recovered", time.monotonic() - begin)
        seen = viewer.result(30)
        self.assertEqual((seen["curl_exit_code"], seen["zeros"], seen["wrong"]), (0, 0, 0))
        checked = verify(self.other / PATH[1:])
        self.assertEqual(checked["bad"], 0)
        self.assertGreaterEqual(checked["records"] * 32768, size)
        self.assertEqual(seen["records"], checked["records"])
        self.assert_replicas_equal()
        # Back again, what was not acknowledged is written; nothing was lost on the way.
        self.cluster.network.heal()
        self.wait_for_growth(500_000, deadline=30)
        self.stop_file.touch()
        written = self.recorder.result()
        checked = verify(self.other / PATH[1:], records=written["records"])
        self.assertEqual((written["errors"], checked["bad"]), (0, 0))
        self.assert_sealed()
        self.assert_replicas_equal()


if __name__ == "__main__":
    unittest.main()
