"""Cables, switches and hosts fail while a meeting is recorded.

Fault model: every server has a host (network namespace) of its own. Packets between two hosts, or between one and all others, are
dropped in both directions or in one, or are late, or some are lost, for a while; nobody is told. Processes and disks are well.
Survival is expected because whoever hears nothing for a second reports it, the catalog raises the epoch, and a server that was cut
off cannot acknowledge what the others do not have.
"""
import os
import subprocess
import time
import unittest

from fault_case import HUNG_MS, KILLED_MS, PATH, FaultCase
from vcfs_test import env, figures
from vcfs_test.files import pattern
from vcfs_test.hosts import HostCluster
from vcfs_test.records import HttpFollower, Recorder, verify
from vcfs_test.wait import wait_for


class NetworkCase(FaultCase):
    httpd = False
    mount_options = ""

    def make_cluster(self):
        return HostCluster(storages=self.storages, httpd=self.httpd, mount_options=self.mount_options)

    def host(self, name):
        return self.cluster.host(name)

    def servers(self):
        """(primary, follower) as hosts."""
        primary = self.cluster.primary_of(PATH)
        follower = next(r["storage"] for r in self.cluster.stat(PATH)["replicas"] if r["storage"] != primary)
        return self.host(primary), self.host(follower)

    def goes_on_and_heals(self, stall_ms=HUNG_MS, replaced=None, kept=()):
        """The recording goes on during the fault and after it, and ends with every replica equal. `replaced`: the host that is no
        in-sync replica any more while the fault lasts; `kept`: those that are."""
        self.wait_for_growth(1_000_000)
        if replaced or kept:
            in_sync = {r["storage"] for r in self.cluster.stat(PATH)["replicas"] if r["state"] == "in-sync"}
            self.assertNotIn(replaced and replaced.name, in_sync)
            self.assertLessEqual({host.name for host in kept}, in_sync)
        self.cluster.network.heal()
        self.wait_for_growth(300_000)
        self.finish(stall_ms, figure="storage_cut" if replaced else None)
        self.assert_sealed()
        self.assert_replicas_equal()


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


class SlowAndLossy(NetworkCase):
    def test_primary_300_ms_away_slows(self):
        """It may be replaced: a busy connection that becomes so slow all at once is silent for about as long as the ping limits."""
        self.start_recording()
        self.servers()[0].slow(delay_ms=150)
        self.goes_on_and_heals()

    def test_follower_300_ms_away_slows_but_is_kept(self):
        self.start_recording()
        servers = self.servers()
        servers[1].slow(delay_ms=150)
        self.goes_on_and_heals(kept=servers)

    def test_primary_loses_5_percent_of_its_packets(self):
        self.start_recording()
        self.servers()[0].slow(loss_percent=5)
        self.goes_on_and_heals()


class Readers(NetworkCase):
    """The server that is being read from is cut off or hangs in the middle; another one has the same bytes."""

    storages = 2
    httpd = True
    SIZE = 40 << 20

    def setUp(self):
        super().setUp()
        self.data = pattern(1 << 20) * (self.SIZE >> 20)
        (self.cluster.mount / "movie").write_bytes(self.data)
        self.cluster.wait_in_sync("/movie")

    def cut(self, name):
        self.host(name).cut()
        return self.cluster.network.heal

    def hang(self, name):
        self.cluster.stop(name)
        return lambda: self.cluster.cont(name)

    def test_read_of_a_file_goes_on_at_the_other_server(self):
        self.check_read(self.cut)

    def test_read_of_a_file_goes_on_when_the_server_hangs(self):
        self.check_read(self.hang)

    def check_read(self, break_server):
        longest = []
        for name in sorted(self.cluster.storages()):
            with open(self.other / "movie", "rb", buffering=0) as f:
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                got = f.read(1 << 20)
                mend = break_server(name)
                while True:
                    begin = time.monotonic()
                    piece = f.read(1 << 20)
                    longest.append(time.monotonic() - begin)
                    got += piece
                    if not piece:
                        break
            mend()
            self.assertTrue(got == self.data, f"{len(got)} bytes came, {len(self.data)} wanted, or they differ")
        print(f"{self._testMethodName}: longest read {max(longest) * 1000:.0f} ms", flush=True)
        self.assertLess(max(longest), HUNG_MS / 1000 * env.SLOWDOWN)

    def test_http_response_goes_on_from_the_other_server(self):
        self.check_response(self.cut)

    def test_http_response_goes_on_when_the_server_hangs(self):
        self.check_response(self.hang)

    def check_response(self, break_server):
        for name in sorted(self.cluster.storages()):
            curl = subprocess.Popen([*self.host("viewer").prefix, "curl", "-sSf", "--limit-rate", "20M", self.cluster.url + "/movie"],
                                    stdout=subprocess.PIPE)
            got = curl.stdout.read(4 << 20)
            mend = break_server(name)
            got += curl.stdout.read()
            curl.stdout.close()
            self.assertEqual(curl.wait(30), 0)
            mend()
            self.assertTrue(got == self.data, f"{len(got)} bytes came, {len(self.data)} wanted, or they differ")


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


class EveryServerAway(NetworkCase):
    storages = 2
    mount_options = "stall_limit=6s"

    def away(self):
        for name in self.cluster.storages():
            self.host(name).cut_from(self.host("recorder"))

    def test_shorter_than_the_stall_limit_goes_on_without_an_error(self):
        self.start_recording()
        self.away()
        time.sleep(4)  # the fault's duration
        self.cluster.network.heal()
        self.wait_for_growth(1_000_000, deadline=30)
        self.finish(8000)
        self.assert_replicas_equal()

    def test_longer_than_the_stall_limit_is_an_error_and_a_later_write_goes_on(self):
        self.start_recording(follow=False)
        self.away()
        begin = time.monotonic()
        with open(self.cluster.mount / "meeting/small", "wb", buffering=0) as f:
            with self.assertRaises(OSError) as raised:
                while True:
                    f.write(b"x" * (1 << 20))
                    self.assertLess(time.monotonic() - begin, 20 * env.SLOWDOWN, "no error")
            print(f"{self._testMethodName}: {raised.exception} after {time.monotonic() - begin:.1f} s", flush=True)
            self.assertEqual(raised.exception.errno, 5)
            self.assertGreater(time.monotonic() - begin, 4)
            self.cluster.network.heal()
            wait_for(lambda: f.write(b"later"), 15, "a write after the fault")
        self.stop_file.touch()
        self.recorder.close()


if __name__ == "__main__":
    unittest.main()
