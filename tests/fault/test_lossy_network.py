"""Cables are slow or lose packets while a meeting is recorded.

Fault model: every server has a host (network namespace) of its own. Packets to and from one host are late, or each of them is lost
with some chance, or both, for seconds; or the cable carries little. Nobody is told, and no connection ends. Processes and disks are
well.
Survival is expected because TCP sends again what was lost, whoever is silent for longer than the ping limits is replaced as one
that was cut off, and a primary to which pings and calls take long is left for another server in sync.
"""
import os
import unittest

from fault_case import HUNG_MS
from network_case import NetworkCase
from vcfs_test import env
from vcfs_test.files import sha256


class SlowAndLossy(NetworkCase):
    def goes_on_without_long_stalls(self, kept=(), replaced=None):
        """What fsync takes here usually is part of the fault: its whole time counts as a stall."""
        written = self.goes_on_and_heals(replaced=replaced, kept=kept, during=2_500_000, figure=None)
        self.assertLessEqual(written["fsync"]["max_ms"], HUNG_MS * env.SLOWDOWN)

    def test_primary_300_ms_away_slows(self):
        """It may be replaced: a busy connection that becomes so slow all at once is silent for about as long as the ping limits."""
        self.start_recording()
        self.servers()[0].slow(delay_ms=150)
        self.goes_on_without_long_stalls()

    def test_primary_300_ms_away_that_loses_5_percent_too(self):
        """Such a cable does not carry the recording: answers are late, one after the other, and no connection is silent for long. The
        recorder's host leaves that primary for the other server."""
        self.start_recording()
        primary = self.servers()[0]
        primary.slow(delay_ms=150, loss_percent=5)
        self.goes_on_without_long_stalls(replaced=primary)

    def test_primary_loses_5_percent_of_its_packets(self):
        self.start_recording()
        self.servers()[0].slow(loss_percent=5)
        self.goes_on_without_long_stalls()

    def test_follower_300_ms_away_slows_but_is_kept(self):
        self.start_recording()
        servers = self.servers()
        servers[1].slow(delay_ms=150)
        self.goes_on_without_long_stalls(kept=servers)

    def test_follower_loses_5_percent_of_its_packets(self):
        self.start_recording()
        self.servers()[1].slow(loss_percent=5)
        self.goes_on_without_long_stalls()

    def test_recorders_host_loses_5_percent_of_its_packets(self):
        self.start_recording()
        self.host("recorder").slow(loss_percent=5)
        self.goes_on_without_long_stalls()


class Thin(NetworkCase):
    def test_large_file_is_written_by_a_host_that_needs_more_than_a_second_for_a_megabyte(self):
        """Its pings stand behind what it writes, and there is nothing to answer before a request is there whole."""
        self.host("recorder").slow(mbit=6)
        target = self.cluster.mount / "large.bin"
        with open(target, "wb", buffering=0) as file:
            file.write(os.urandom(10 << 20))
            os.fsync(file.fileno())
        self.assertEqual(os.getxattr(target, "user.vcfs.epoch"), b"1", "a server was taken for dead")
        self.cluster.network.heal()
        self.assertEqual(sha256(target), sha256(self.other / "large.bin"))


if __name__ == "__main__":
    unittest.main()
