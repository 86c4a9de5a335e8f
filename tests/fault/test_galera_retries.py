"""Nodes of the database behind three trackers refuse what they are asked, while meetings are recorded and names come and go.

Fault model: the node that a tracker uses is reached by the trackers and says "WSREP has not yet prepared node for application use",
because it has lost the other nodes or because its administrator wants it so; or two trackers that use different nodes change the
same rows at once, so that transactions of one fail certification or are rolled back for the other's.
Survival is expected because the transaction is run again, at another node where this one is not ready, and what was committed all
the same is recognised by the request's id.
"""
import os
import unittest

from fault_case import HUNG_MS
from test_database_faults import GALERA_MS
from test_tracker_faults import NAMES_HUNG_MS, TrackersCase
from vcfs_test import env, mariadb
from vcfs_test.names import NamesLoad
from vcfs_test.wait import wait_for

CONFLICTS = 50


class GaleraCase(TrackersCase):
    storages = 2
    catalog = staticmethod(mariadb.galera_preferring)


class NotReady(GaleraCase):
    def start_load_at(self, node):
        self.start_load()
        self.assertIn(self.cluster.host("tracker0").address, node.users())

    def check_names_go_on_without(self, node):
        directory = self.cluster.mount / "meeting/meanwhile"
        directory.mkdir()
        directory.rmdir()
        self.assertTrue(node.refuses())

    def test_node_in_use_that_has_lost_the_others_is_left_by_running_trackers_and_those_that_start(self):
        node, *others = self.cluster.databases
        self.start_load_at(node)
        node.host.cut_from(*(other.host for other in others))
        wait_for(node.refuses, 20, f"{node.name} to be without a majority")
        self.check_names_go_on_without(node)
        self.cluster.restart("tracker0")
        self.wait_for_growth(500_000)
        self.check_names_go_on_without(node)
        self.cluster.network.heal()
        node.wait_ready()
        self.finish_load(GALERA_MS, HUNG_MS)

    def test_node_in_use_that_refuses_everybody_is_left_for_the_next(self):
        node = self.cluster.databases[0]
        self.start_load_at(node)
        node.sql("SET GLOBAL wsrep_reject_queries = ALL")
        self.check_names_go_on_without(node)
        self.wait_for_growth(500_000)
        self.check_names_go_on_without(node)
        node.sql("SET GLOBAL wsrep_reject_queries = NONE")
        self.finish_load(NAMES_HUNG_MS)


class Conflicts(GaleraCase):
    def conflicts(self):
        """(failed certifications, transactions that were rolled back for another node's) at all nodes"""
        kinds = ("wsrep_local_cert_failures", "wsrep_local_bf_aborts")
        return [sum(node.status(kind) for node in self.cluster.databases) for kind in kinds]

    def test_names_of_one_directory_changed_through_two_nodes_are_no_error(self):
        self.start_load()
        there = self.cluster.mount_again("second", told=[1])
        second = NamesLoad(there / "names", self.cluster.scratch.path / "stop-second", pause_ms=0, prefix="second-")
        self.addCleanup(second.close)
        before = sum(self.conflicts())
        wait_for(lambda: sum(self.conflicts()) >= before + CONFLICTS, 60, f"{CONFLICTS} conflicts")
        done = second.result()
        failed, aborted = self.conflicts()
        print(f"{self._testMethodName}: {failed} failed certifications, {aborted} aborts, {done['operations']} operations at the second"
              f" node, longest {done['longest_call']} {done['longest_ms']:.0f} ms", flush=True)
        self.assertEqual(done["errors"], [])
        self.assertLessEqual(done["longest_ms"], NAMES_HUNG_MS * env.SLOWDOWN)
        self.finish_load(NAMES_HUNG_MS)
        for mount in (self.cluster.mount, self.other, there):
            self.assertEqual(os.stat(mount / "names").st_nlink, 2)
        self.assertEqual(self.cluster.json("fsck", timeout=60)["problems"], [])


if __name__ == "__main__":
    unittest.main()
