"""One of three trackers on one MariaDB fails while meetings are recorded and names come and go.

Fault model: one tracker process is killed, hangs, or its host is cut off, and comes back later; everybody else is well. Clients and
storage servers were told the address of one tracker only, the one that fails. Survival is expected because all trackers hold the
same map, what is durable is in the catalog, and every request that changes a name can be repeated elsewhere.
"""
import unittest

from fault_case import KILLED_MS, PATH, FaultCase
from vcfs_test import env, figures, mariadb
from vcfs_test.hosts import HostCluster
from vcfs_test.names import NamesLoad
from vcfs_test.wait import wait_for

NAMES_KILLED_MS = 200  # longest stall of a namespace operation when a tracker dies
NAMES_HUNG_MS = 3000   # when it hangs or is cut off


class TrackersCase(FaultCase):
    catalog = staticmethod(mariadb.one_server)
    httpd = False

    def make_cluster(self):
        return HostCluster(storages=self.storages, trackers=3, catalog=self.catalog, told=[0], httpd=self.httpd)

    def start_load(self):
        self.start_recording()
        self.names = NamesLoad(self.cluster.mount / "names", self.cluster.scratch.path / "stop-names")
        self.addCleanup(self.names.close)
        self.wait_for_growth(500_000)

    def finish_load(self, names_ms, recording_ms=KILLED_MS, figure=None):
        self.wait_for_growth(500_000)
        names = self.names.result()
        print(f"{self._testMethodName}: {names['operations']} operations on names, longest {names['longest_call']}"
              f" {names['longest_ms']:.0f} ms (usual {names['p50_ms']:.1f})", flush=True)
        if figure:
            figures.add(figure, names["longest_ms"])
        self.assertEqual(names["errors"], [])
        self.assertEqual(list((self.other / "names").iterdir()), [], "left of names that were removed")
        self.finish(recording_ms)
        self.assert_sealed()
        self.assert_replicas_equal()
        self.assertLessEqual(names["longest_ms"], names_ms * env.SLOWDOWN, "longest operation on a name")

    def role(self, name):
        """What `vcfs status` says who is coordinator or candidate: "tracker1"."""
        address = self.cluster.status()[name]
        return f"tracker{self.cluster.addresses.index(address)}" if address else ""

    def wait_roles(self, among, deadline=15):
        """Two different trackers of these have the roles."""
        def ready():
            roles = self.role("coordinator"), self.role("candidate")
            return roles if roles[0] != roles[1] and set(roles) <= set(among) else None
        return wait_for(ready, deadline, f"a coordinator and a candidate among {among}")


class OneTracker(TrackersCase):

    def test_killed_under_load(self):
        self.start_load()
        self.cluster.kill("tracker0")
        self.wait_for_growth(1_000_000)
        self.cluster.restart("tracker0")
        self.finish_load(NAMES_KILLED_MS, figure="names_killed")

    def test_hanging_under_load(self):
        self.start_load()
        self.cluster.stop("tracker0")
        self.wait_for_growth(1_000_000)
        self.cluster.cont("tracker0")
        self.finish_load(NAMES_HUNG_MS, figure="names_hung")

    def test_cut_off_under_load(self):
        self.start_load()
        self.cluster.host("tracker0").cut()
        self.wait_for_growth(1_000_000)
        self.cluster.network.heal()
        self.finish_load(NAMES_HUNG_MS, figure="names_hung")

    def test_cut_off_from_the_database_only_under_load(self):
        self.start_load()
        self.cluster.host("tracker0").cut_from(self.cluster.host("db"))
        self.wait_for_growth(1_000_000)
        self.cluster.network.heal()
        self.finish_load(NAMES_HUNG_MS, figure="names_hung")

    def test_storage_killed_while_the_first_tracker_is_away_is_replaced_unnoticed(self):
        self.start_recording()
        self.cluster.kill("tracker0")
        self.cluster.kill(self.cluster.primary_of(PATH))
        self.wait_for_growth(1_000_000)
        self.finish(KILLED_MS)
        self.assert_replicas_equal()


class Coordinator(TrackersCase):
    storages = 2

    def test_lease_moves_to_the_named_candidate_who_names_the_next(self):
        everybody = [f"tracker{i}" for i in range(3)]
        coordinator, candidate = self.wait_roles(everybody)
        self.cluster.kill(coordinator)
        others = [t for t in everybody if t != coordinator]
        after = self.wait_roles(others)
        self.assertEqual(after[0], candidate)
        self.cluster.restart(coordinator)
        # Hanging, it believes for a moment that it still holds what others have taken.
        self.cluster.stop(after[0])
        second = self.wait_roles([t for t in everybody if t != after[0]])
        self.assertEqual(second[0], after[1])
        self.cluster.cont(after[0])
        self.assertEqual(self.role("coordinator"), second[0])


class Start(unittest.TestCase):
    time_limit = 120

    def test_new_servers_that_register_at_all_trackers_at_once_are_not_refused(self):
        for attempt in range(4):
            cluster = HostCluster(storages=4, trackers=3, catalog=mariadb.one_server, told=[0])
            self.addCleanup(cluster.close)
            cluster.up()
            logs = "".join(log.read_text() for log in (cluster.scratch.path / "log").glob("s*.log"))
            self.assertNotIn("storage.refused", logs, f"start {attempt}")
            cluster.close()


class RollingRestart(TrackersCase):
    httpd = True

    def test_of_every_process_under_load_is_not_noticed(self):
        self.start_load()
        names = sorted(n for n in self.cluster.names() if not n.startswith("mount"))
        for name in names:
            self.cluster.restart(name)
            self.cluster.wait_in_sync(PATH)
            self.wait_for_growth(200_000)
        self.finish_load(NAMES_HUNG_MS, KILLED_MS)


if __name__ == "__main__":
    unittest.main()
