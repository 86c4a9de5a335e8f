"""A storage server fails while a meeting is recorded.

Fault model: one storage process at a time is killed (kill -9: its connections reset) or hangs (SIGSTOP: its connections stay, it
answers nothing) at a moment when records are on their way; it may come back. Disks keep what was written to them.
Survival is expected because every acknowledged byte is on both replicas, the catalog decides about the epoch, and the mount
replays what was not acknowledged.
"""
import time
import unittest

from fault_case import HUNG_MS, KILLED_MS, PATH, WHOLE_AGAIN_S, FaultCase
from vcfs_test import env, figures
from vcfs_test.files import pattern
from vcfs_test.wait import wait_for

STALL_LIMIT_MS = 30_000


class ThreeStorages(FaultCase):
    """With a third server in the group a new replica takes the lost one's place."""

    def test_primary_killed_in_mid_recording_is_replaced_unnoticed(self):
        self.start_recording()
        self.cluster.kill(self.cluster.primary_of(PATH))
        self.wait_for_growth(1_500_000)
        self.finish(KILLED_MS, figure="storage_killed")
        self.assert_sealed()
        self.assert_replicas_equal()

    def test_follower_killed_in_mid_recording_is_replaced_unnoticed(self):
        self.start_recording()
        self.cluster.kill(self.cluster.followers_of(PATH)[0])
        self.wait_for_growth(1_500_000)
        self.finish(KILLED_MS, figure="storage_killed")
        self.assert_sealed()
        self.assert_replicas_equal()

    def test_primary_hanging_in_mid_recording_is_replaced_within_3_s(self):
        self.start_recording()
        primary = self.cluster.primary_of(PATH)
        self.cluster.stop(primary)
        self.wait_for_growth(1_500_000)
        self.cluster.cont(primary)
        self.wait_for_growth(500_000)
        self.finish(HUNG_MS, figure="storage_cut")
        self.assert_replicas_equal()

    def test_follower_hanging_in_mid_recording_is_replaced_within_3_s(self):
        self.start_recording()
        follower = self.cluster.followers_of(PATH)[0]
        self.cluster.stop(follower)
        self.wait_for_growth(1_500_000)
        self.cluster.cont(follower)
        self.wait_for_growth(500_000)
        self.finish(HUNG_MS, figure="storage_cut")
        self.assert_replicas_equal()

    def test_idle_third_server_killed_disturbs_nobody(self):
        self.start_recording()
        used = {r["storage"] for r in self.cluster.stat(PATH)["replicas"]}
        self.cluster.kill(next(s for s in self.cluster.storages() if s not in used))
        self.wait_for_growth(1_000_000)
        self.finish(KILLED_MS)
        self.assert_replicas_equal()

    def test_two_primaries_killed_one_after_the_other_lose_nothing(self):
        self.start_recording()
        first = self.cluster.primary_of(PATH)
        self.cluster.kill(first)
        self.cluster.wait_in_sync(PATH)
        self.cluster.kill(self.cluster.primary_of(PATH))
        self.wait_for_growth(1_500_000)
        self.cluster.up()
        self.finish(KILLED_MS, figure="storage_killed")
        self.assert_replicas_equal()

    def test_restarted_primary_catches_up_what_it_missed(self):
        self.start_recording()
        primary = self.cluster.primary_of(PATH)
        self.cluster.kill(primary)
        self.wait_for_growth(1_000_000)
        self.cluster.restart(primary)
        self.wait_for_growth(1_000_000)
        self.finish(KILLED_MS, figure="storage_killed")
        self.assert_replicas_equal()


class TwoStorages(FaultCase):
    """Without a spare server the file goes on with one replica and is completed when the other one is back, or a new one there."""

    storages = 2

    def degraded(self):
        return self.cluster.status()["files"]["degraded"]

    def goes_on_degraded_without(self, name):
        self.cluster.kill(name)
        self.wait_for_growth(1_500_000)
        wait_for(lambda: self.degraded() >= 1, 10, "a degraded file in vcfs status")

    def ends_whole_and_unnoticed(self):
        self.cluster.wait_in_sync(PATH)
        self.wait_for_growth(500_000)
        self.finish(KILLED_MS, figure="storage_killed")
        self.assert_sealed()
        self.assert_replicas_equal()
        wait_for(lambda: self.degraded() == 0, 10, "no degraded file in vcfs status")

    def test_last_follower_killed_goes_on_degraded_and_heals_when_it_returns(self):
        self.start_recording()
        follower = self.cluster.followers_of(PATH)[0]
        self.goes_on_degraded_without(follower)
        self.cluster.restart(follower)
        self.ends_whole_and_unnoticed()

    def test_primary_killed_goes_on_degraded_and_heals_when_it_returns(self):
        self.start_recording()
        primary = self.cluster.primary_of(PATH)
        self.goes_on_degraded_without(primary)
        self.cluster.restart(primary)
        self.ends_whole_and_unnoticed()

    def test_primary_killed_for_good_goes_on_degraded_and_is_completed_on_a_server_that_is_added(self):
        self.start_recording()
        primary, follower = self.cluster.primary_of(PATH), self.cluster.followers_of(PATH)[0]
        self.goes_on_degraded_without(primary)
        self.cluster.add_storage("s3")
        self.ends_whole_and_unnoticed()
        self.assertEqual({r["storage"] for r in self.cluster.stat(PATH)["replicas"]}, {follower, "s3"})

    def test_primary_hanging_comes_back_and_cannot_spoil_what_went_on_without_it(self):
        self.start_recording()
        primary = self.cluster.primary_of(PATH)
        self.cluster.stop(primary)
        self.wait_for_growth(1_500_000)
        self.assertNotEqual(self.cluster.primary_of(PATH), primary)
        self.cluster.cont(primary)
        self.cluster.wait_in_sync(PATH)
        self.wait_for_growth(500_000)
        self.finish(HUNG_MS, figure="storage_cut")
        self.assert_replicas_equal()

    def test_server_30_mb_behind_is_whole_again_within_2_s_of_its_start(self):
        # A recording goes on meanwhile.
        self.start_recording(follow=False)
        follower = self.cluster.followers_of(PATH)[0]
        self.cluster.kill(follower)
        with open(self.cluster.mount / "meeting/large", "wb") as f:
            for _ in range(30):
                f.write(pattern(1 << 20))
        wait_for(lambda: self.degraded() == 2, 10, "both files to be known as degraded")
        begin = time.monotonic()
        self.cluster.restart(follower)
        for path in (PATH, "/meeting/large"):
            self.cluster.wait_in_sync(path)
        took = time.monotonic() - begin
        figures.add("behind_30_mb", took)
        print(f"{self._testMethodName}: whole again {took:.2f} s after the server's start", flush=True)
        self.finish(KILLED_MS)
        for path in (PATH, "/meeting/large"):
            self.assert_replicas_equal(path)
        self.assertLess(took, WHOLE_AGAIN_S * env.SLOWDOWN)

    def test_server_killed_after_close_catches_up_files_it_missed(self):
        victim = sorted(self.cluster.storages())[0]
        (self.cluster.mount / "before").write_bytes(b"before" * 10_000)
        self.cluster.kill(victim)
        (self.cluster.mount / "during").write_bytes(b"during" * 100_000)
        with open(self.cluster.mount / "before", "ab") as f:
            f.write(b"more" * 10_000)
        self.cluster.restart(victim)
        for path in ("/before", "/during"):
            self.assert_replicas_equal(path)

    def test_both_servers_away_for_a_moment_stall_the_recording_but_lose_nothing(self):
        self.start_recording()
        names = sorted(self.cluster.storages())
        for name in names:
            self.cluster.stop(name)
        time.sleep(4)  # the fault's duration
        for name in names:
            self.cluster.cont(name)
        self.wait_for_growth(1_000_000, deadline=30)
        self.finish(20_000)
        self.assert_replicas_equal()

    def test_every_server_killed_and_started_again_within_the_stall_limit_loses_nothing(self):
        """What was acknowledged is in files; what was not, the mount sends again."""
        self.start_recording()
        for name in sorted(self.cluster.storages()):
            self.cluster.kill(name)
        self.cluster.up()
        self.wait_for_growth(1_000_000, deadline=30)
        self.finish(STALL_LIMIT_MS)
        self.assert_sealed()
        self.assert_replicas_equal()
        self.assert_nothing_to_repair()


if __name__ == "__main__":
    unittest.main()
