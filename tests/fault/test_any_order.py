"""Servers are cut off, hang, are killed and come back in any order while two meetings are recorded.

Fault model: three storage servers, two copies, and a row of events that a seed draws: one is cut off, joins again, is killed,
is started again, hangs (SIGSTOP), goes on. Any of them may be ill, in several ways at once, and the next event does not wait until
others have caught up; but each recording always has an in-sync replica on a server that is well. So nobody is to be told an error.
Survival is expected because the catalog decides who has every acknowledged byte, and what comes back is made equal to that.

VCFS_TEST_SEED: this seed instead of those of the suite.
"""
import os
import random
import unittest

from fault_case import HUNG_MS, PATH, FaultCase
from vcfs_test.expand import each, expand
from vcfs_test.hosts import HostCluster
from vcfs_test.records import Recorder, verify
from vcfs_test.wait import wait_for

SEEDS = [int(os.environ["VCFS_TEST_SEED"])] if os.environ.get("VCFS_TEST_SEED") else [1, 2, 3]
EVENTS = 8
SECOND = "/meeting/second.bin"
PATHS = (PATH, SECOND)


class Server:
    """A storage server, what ails it, and what may happen to it next."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name
        self.cut_off, self.process = False, "running"

    def well(self):
        return not self.cut_off and self.process == "running"

    def breaks(self):
        return [event for event, possible in ((self.cut, not self.cut_off), (self.kill, self.process != "killed"),
                                              (self.stop, self.process == "running")) if possible]

    def mends(self):
        process = {"running": [], "stopped": [self.cont], "killed": [self.restart]}[self.process]
        return process + ([self.join] if self.cut_off else [])

    def cut(self):
        self.cluster.host(self.name).cut()
        self.cut_off = True

    def join(self):
        self.cluster.host(self.name).join()
        self.cut_off = False

    def kill(self):
        self.cluster.kill(self.name)
        self.process = "killed"

    def restart(self):
        self.cluster.restart(self.name)
        self.process = "running"

    def stop(self):
        self.cluster.stop(self.name)
        self.process = "stopped"

    def cont(self):
        self.cluster.cont(self.name)
        self.process = "running"


@expand
class AnyOrder(FaultCase):
    def make_cluster(self):
        return HostCluster(storages=self.storages)

    def setUp(self):
        super().setUp()
        self.servers = [Server(self.cluster, name) for name in sorted(self.cluster.storages())]

    @each([(f"seed {seed}", seed) for seed in SEEDS])
    def test_every_replica_ends_equal_and_no_writer_notices_with(self, seed):
        chance = random.Random(seed)
        self.start_recording(seconds=120)
        second = Recorder(self.cluster.mount / SECOND[1:], seconds=120, fsync=700, stream=2, stop_file=str(self.stop_file))
        self.addCleanup(second.close)
        self.recordings_grow(600_000)
        for _ in range(EVENTS):
            self.one_event(chance)
        for server in self.servers:
            for mend in server.mends():
                mend()
            self.wait_for_effect(server)
        self.recordings_grow(300_000)
        self.finish(HUNG_MS)
        self.check_second(second.result())
        for path in PATHS:
            self.assert_sealed(path)
            self.assert_replicas_equal(path)
        self.assert_nothing_to_repair()

    def one_event(self, chance):
        event = chance.choice(wait_for(self.possible_events, 30, "something that may happen"))
        server = event.__self__
        print(f"{self._testMethodName}: {event.__name__} {server.name}", flush=True)
        event()
        self.wait_for_effect(server)
        self.recordings_grow(chance.randrange(50_000, 500_000))

    def possible_events(self):
        """A server may break when each recording has an in-sync replica on another one that is well."""
        holders = [self.in_sync(path) & {s.name for s in self.servers if s.well()} for path in PATHS]
        events = []
        for server in self.servers:
            events += server.mends()
            if all(holder - {server.name} for holder in holders):
                events += server.breaks()
        return events

    def in_sync(self, path):
        return {r["storage"] for r in self.cluster.stat(path)["replicas"] if r["state"] == "in-sync"}

    def wait_for_effect(self, server):
        """Everybody has noticed. Reports that are under way could take another replica away, and be right."""
        def noticed():
            if server.well():
                return self.cluster.storages()[server.name]["state"] == "up"
            return not any(server.name in self.in_sync(path) for path in PATHS)
        wait_for(noticed, 15, f"the catalog to notice what happened to {server.name}")

    def recordings_grow(self, more):
        for path in PATHS:
            self.wait_for_growth(more, path)

    def check_second(self, written):
        self.assertEqual((written["errors"], written["first_error"]), (0, ""))
        checked = verify(self.other / SECOND[1:], records=written["records"], stream=2)
        self.assertEqual((checked["bad"], checked["records"], checked["partial"]), (0, written["records"], 0))
        self.check_stalls(written, HUNG_MS, 0, None)


if __name__ == "__main__":
    unittest.main()
