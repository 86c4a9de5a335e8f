"""One of three trackers on one MariaDB fails while meetings are recorded and names come and go.

Fault model: one tracker process is killed, hangs, or its host is cut off, and comes back later; everybody else is well. Clients and
storage servers were told the address of one tracker only, the one that fails. Survival is expected because all trackers hold the
same map, what is durable is in the catalog, and every request that changes a name can be repeated elsewhere.
"""
import os
import subprocess
import unittest

from fault_case import KILLED_MS, PATH, FaultCase
from vcfs_test import env, figures, mariadb
from vcfs_test.files import pattern
from vcfs_test.hosts import TRACKER_PORT, HostCluster
from vcfs_test.names import NamesLoad
from vcfs_test.player import Player
from vcfs_test.wait import wait_for

NAMES_KILLED_MS = 200  # longest stall of a namespace operation when a tracker dies
NAMES_HUNG_MS = 3000   # when it hangs or is cut off
LONGER_THAN_A_STALL = 2_000_000  # bytes of a recording, 4 s: a fault that is over sooner cannot show a longer stall
# The lease of 5 s, looked at and renewed each 1.25 s; what is left is for `vcfs status` itself.
ROLE_MOVES_S = 8
EVERYBODY = ["tracker0", "tracker1", "tracker2"]


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


class AnyTracker(TrackersCase):
    """Each in its role, and the one that the recorder's mount talks to, one after the other; whole again between two."""

    httpd = True

    def strike_each(self, strike, end, names_ms, figure):
        """`strike(tracker)` makes the fault, `end(tracker)` ends it."""
        self.movie = pattern(1 << 20)
        (self.cluster.mount / "movie").write_bytes(self.movie)
        self.start_recording(seconds=150)
        for role in ("coordinator", "candidate", "neither", "recorder's"):
            victim = self.tracker_in(role)
            names, player = self.start_watching(role)
            strike(victim)
            if role == "coordinator":
                self.assert_role_moves_from(victim)
            self.wait_for_growth(LONGER_THAN_A_STALL)
            end(victim)
            self.wait_whole()
            self.check_unnoticed(f"{victim} ({role})", names, player, names_ms, figure)
        self.finish(KILLED_MS)
        self.assert_sealed()
        self.assert_replicas_equal()

    def tracker_in(self, role):
        if role == "recorder's":
            return wait_for(self.tracker_of_recorder, 10, "the recorder's mount to talk to one tracker")
        coordinator, candidate = self.wait_whole()
        neither = next(t for t in EVERYBODY if t not in (coordinator, candidate))
        return {"coordinator": coordinator, "candidate": candidate, "neither": neither}[role]

    def tracker_of_recorder(self):
        line = [*self.cluster.host("recorder").prefix, "ss", "-Htn", "state", "established", "dport", "=", f":{TRACKER_PORT}"]
        rows = subprocess.run(line, capture_output=True, text=True, check=True).stdout.splitlines()
        trackers = {f"tracker{self.cluster.addresses.index(row.split()[-1])}" for row in rows}
        return trackers.pop() if len(trackers) == 1 else ""

    def wait_whole(self):
        """Every tracker is up and two of them have the roles."""
        wait_for(lambda: {t["state"] for t in self.cluster.status()["trackers"]} == {"up"}, 15, "every tracker to be up")
        return self.wait_roles(EVERYBODY)

    def start_watching(self, role):
        self.roles = self.role("coordinator"), self.role("candidate")
        names = NamesLoad(self.cluster.mount / f"names of {role}", self.cluster.scratch.path / f"stop names of {role}")
        self.addCleanup(names.close)
        wait_for(lambda: os.listdir(self.other / f"names of {role}"), 10, "names to come and go")
        player = Player(self.cluster.host("viewer").prefix, [f"{self.cluster.url}/movie"], self.movie)
        self.addCleanup(player.stop)
        return names, player

    def assert_role_moves_from(self, victim):
        after = self.wait_roles([t for t in EVERYBODY if t != victim], ROLE_MOVES_S)
        self.assertEqual(after[0], self.roles[1], "the candidate takes over")

    def check_unnoticed(self, victim, names, player, names_ms, figure):
        downloads, seen = player.stop(), names.result()
        print(f"{self._testMethodName}: {victim}: {seen['operations']} operations on names, longest {seen['longest_call']}"
              f" {seen['longest_ms']:.0f} ms (usual {seen['p50_ms']:.1f}); {downloads} downloads, longest {player.longest_ms:.0f} ms",
              flush=True)
        figures.add(figure, seen["longest_ms"])
        self.assertEqual((seen["errors"], player.errors), ([], []), victim)
        self.assertEqual([name for folder in self.other.glob("names*") for name in folder.iterdir()], [], "names that were removed")
        self.assertLessEqual(seen["longest_ms"], names_ms * env.SLOWDOWN, f"longest operation on a name, {victim}")
        self.assertLessEqual(player.longest_ms, NAMES_HUNG_MS * env.SLOWDOWN, f"longest download, {victim}")
        self.assertGreater(downloads, 3, victim)

    def test_killed_under_load(self):
        self.strike_each(self.cluster.kill, self.cluster.restart, NAMES_KILLED_MS, "names_killed")

    def test_hanging_under_load(self):
        self.strike_each(self.cluster.stop, self.cluster.cont, NAMES_HUNG_MS, "names_hung")

    def test_cut_off_under_load(self):
        def heal(_):
            self.cluster.network.heal()
        self.strike_each(lambda tracker: self.cluster.host(tracker).cut(), heal, NAMES_HUNG_MS, "names_hung")


class OneTracker(TrackersCase):

    def test_cut_off_from_the_database_only_under_load(self):
        self.start_load()
        self.cluster.host("tracker0").cut_from(self.cluster.host("db"))
        self.wait_for_growth(LONGER_THAN_A_STALL)
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
        coordinator, candidate = self.wait_roles(EVERYBODY)
        self.cluster.kill(coordinator)
        others = [t for t in EVERYBODY if t != coordinator]
        after = self.wait_roles(others)
        self.assertEqual(after[0], candidate)
        self.cluster.restart(coordinator)
        # Hanging, it believes for a moment that it still holds what others have taken.
        self.cluster.stop(after[0])
        second = self.wait_roles([t for t in EVERYBODY if t != after[0]])
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
