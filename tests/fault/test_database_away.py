"""All of the database behind three trackers is away while meetings are recorded.

Fault model: the only MariaDB server is killed, hangs or is cut off; all three nodes of a Galera cluster are killed, and the cluster
is begun again from the node that knows most; or two of them are, which leaves the third without a majority. No process of vcfs is
restarted.
Survival is expected because open files need no names: their bytes, sizes and closings are between mounts and storage servers, and
are told to the catalog when it is back. Names need it: a create fails, but only after the mount's stall limit.
VCFS_TEST_DATABASE_AWAY is the length of the longest absence (seconds).
"""
import errno
import os
import random
import time
import unittest

from fault_case import HUNG_MS, PATH
from test_tracker_faults import TrackersCase
from vcfs_test import env, mariadb
from vcfs_test.files import pattern
from vcfs_test.hosts import HostCluster
from vcfs_test.wait import wait_for

LONG_S = float(os.environ.get("VCFS_TEST_DATABASE_AWAY", 60))
SHORT_S = min(20, LONG_S)
STALL_LIMIT = 5
CLOSED = "/meeting/closed-meanwhile"
WHOLE = "/meeting/whole"
WHOLE_BYTES = pattern(4 << 20)


class AwayCase(TrackersCase):
    """One recording goes on all the time, another one is closed while the database is away."""

    storages = 2

    def make_cluster(self):
        return HostCluster(storages=self.storages, trackers=3, catalog=self.catalog, told=[0],
                           mount_options=f"stall_limit={STALL_LIMIT}s")

    def start_recordings(self, seconds):
        self.start_recording(seconds=seconds + 120)
        self.second = open(self.cluster.mount / CLOSED[1:], "wb", buffering=0)
        self.addCleanup(self.second.close)
        self.second.write(b"begin")
        os.fsync(self.second.fileno())
        (self.cluster.mount / WHOLE[1:]).write_bytes(WHOLE_BYTES)
        self.cluster.wait_in_sync(WHOLE)
        self.whole = open(self.cluster.mount / WHOLE[1:], "rb", buffering=0)
        self.addCleanup(self.whole.close)
        self.pids = {name: self.cluster.pid(name) for name in self.cluster.names()}

    def make(self, name):
        """One system call: Path.touch() is two, each with a budget of its own."""
        os.close(os.open(self.cluster.mount / "meeting" / name, os.O_CREAT | os.O_WRONLY))
        return True

    def check_create_fails(self, name):
        """After the mount's stall limit, not earlier and not much later."""
        begin = time.monotonic()
        with self.assertRaises(OSError) as raised:
            self.make(name)
        waited = time.monotonic() - begin
        self.assertEqual(raised.exception.errno, errno.EIO)
        self.assertGreater(waited, STALL_LIMIT - 1)
        self.assertLess(waited, (STALL_LIMIT + 3) * env.SLOWDOWN)
        return waited

    def check_open_files(self):
        """A finished recording is read on, also what the kernel has of it in its pages; a running one is cut."""
        begin = time.monotonic()
        for offset in (0, random.randrange(len(WHOLE_BYTES) - 4096)):
            self.assertTrue(os.pread(self.whole.fileno(), 4096, offset) == WHOLE_BYTES[offset:offset + 4096])
        self.assertEqual(os.fstat(self.whole.fileno()).st_size, len(WHOLE_BYTES))
        if not self.second.closed:
            os.ftruncate(self.second.fileno(), 5)
        self.assertLess(time.monotonic() - begin, 3 * env.SLOWDOWN, "files that are open, without a database")

    def outlast(self, seconds):
        """From now on, without a database: files are written and closed, names are not made."""
        away = time.monotonic()
        self.wait_for_growth(1_000_000)
        self.check_open_files()
        self.second.write(pattern(300_000))
        begin = time.monotonic()
        self.second.close()
        self.assertLess(time.monotonic() - begin, 3 * env.SLOWDOWN, "close() without a database")
        waits = []
        while not waits or time.monotonic() - away < seconds:
            waits.append(self.check_create_fails(f"new-{len(waits)}"))
            self.check_open_files()
            self.wait_for_growth(500_000)
        print(f"{self._testMethodName}: {len(waits)} creates failed, after {min(waits):.1f} to {max(waits):.1f} s", flush=True)

    def finish_with_the_database_back(self, figure=None):
        self.wait_for_growth(500_000)
        wait_for(lambda: self.make("new"), 20, "a create with the database back")
        written = self.finish(HUNG_MS, figure=figure)
        self.assert_sealed()
        self.assertEqual(self.cluster.stat(PATH)["size"], written["bytes"])
        self.assert_sealed(CLOSED)
        self.assertEqual(self.cluster.stat(CLOSED)["size"], 300_005)
        self.assertEqual((self.other / CLOSED[1:]).read_bytes(), b"begin" + pattern(300_000))
        for path in (PATH, CLOSED):
            self.assert_replicas_equal(path)
        self.assertEqual(self.cluster.json("fsck", timeout=60)["problems"], [])
        self.assertEqual({name: self.cluster.pid(name) for name in self.cluster.names() if self.cluster.running(name)}, self.pids)


class OneServer(AwayCase):
    def away(self, seconds, leave, come_back, figure=None):
        self.start_recordings(seconds)
        leave()
        self.outlast(seconds)
        come_back()
        self.cluster.databases[0].wait_ready()
        self.finish_with_the_database_back(figure)

    def test_killed_recordings_are_written_read_and_closed_and_creates_fail_clearly(self):
        database = self.cluster.databases[0]
        self.away(LONG_S, database.kill, database.start, figure="database_away")

    def test_hanging_recordings_are_written_read_and_closed_and_creates_fail_clearly(self):
        database = self.cluster.databases[0]
        self.away(SHORT_S, database.hang, database.go_on)

    def test_cut_off_recordings_are_written_read_and_closed_and_creates_fail_clearly(self):
        self.away(SHORT_S, self.cluster.databases[0].host.cut, self.cluster.network.heal)

    def test_killed_for_less_than_the_stall_limit_is_waited_for(self):
        self.start_load()
        database = self.cluster.databases[0]
        database.kill()
        self.wait_for_growth(500_000)
        database.start()
        database.wait_ready()
        self.finish_load(STALL_LIMIT * 1000)


class AllOfGalera(AwayCase):
    """No process of vcfs is told that the cluster is whole again."""

    catalog = staticmethod(mariadb.galera_preferring)

    def wait_all_ready(self):
        for node in self.cluster.databases:
            node.wait_ready()

    def test_every_node_killed_and_begun_again_from_the_one_that_knows_most(self):
        nodes = self.cluster.databases
        self.start_recordings(0)
        for node in nodes:
            node.kill()
        self.outlast(0)
        positions = {node: node.recovered_position() for node in nodes}
        first = max(nodes, key=lambda node: int(positions[node].split(":")[1]))
        first.begin_again(positions[first]).wait_ready()
        for node in nodes:
            if node is not first:
                node.start()
        self.wait_all_ready()
        self.finish_with_the_database_back()

    def test_two_nodes_killed_and_the_third_without_a_majority_made_one(self):
        last, *killed = self.cluster.databases
        self.start_recordings(0)
        for node in killed:
            node.kill()
        wait_for(last.refuses, 20, f"{last.name} to be without a majority")
        self.outlast(0)
        self.assertTrue(last.refuses())
        last.become_majority()
        for node in killed:
            node.start()
        self.wait_all_ready()
        self.finish_with_the_database_back()


if __name__ == "__main__":
    unittest.main()
