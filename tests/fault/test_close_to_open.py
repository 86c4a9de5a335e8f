"""Two hosts whose mounts are connected to different trackers: what one closes, the next open on the other sees.

Fault model: none; both hosts and the trackers are busy; the trackers are cut off from each other, so that neither tells the other
what was changed. Survival is expected because with several trackers every open(2) asks, and the kernel is made to forget what it
believed when the answer is another one.
"""
import os
import subprocess
import sys
import unittest

from vcfs_test import mariadb
from vcfs_test.hosts import HostCluster
from vcfs_test.names import NamesLoad
from vcfs_test.wait import wait_for

ROUNDS = 120


def content(number):
    """Of a length of its own, now longer, now shorter than the one before."""
    return b"%06d" % number * (300 + number * 7919 % 3000)


def rewrite(path, number):
    with open(path, "wb") as f:
        f.write(content(number))
    return content(number)


def append(path, number):
    with open(path, "rb") as f:
        before = f.read()
    with open(path, "ab") as f:
        f.write(content(number))
    return before + content(number)


def overwrite(path, number):
    """In place: neither the size nor, perhaps, the tick of a coarse clock changes."""
    with open(path, "r+b") as f:
        f.write(b"%06d" % number)
        f.seek(0)
        return f.read()


def read(path):
    with open(path, "rb") as f:
        return f.read()


class TwoTrackers(unittest.TestCase):
    time_limit = 180
    strangers = False

    def setUp(self):
        self.cluster = HostCluster(storages=2, trackers=2, catalog=mariadb.one_server, told=[0],
                                   strangers=self.strangers)
        self.addCleanup(self.close)
        self.cluster.up()
        # It uses the first tracker that it is told of.
        self.here, self.there = self.cluster.mount, self.cluster.mount_again("viewer", told=[1] if self.strangers else [1, 0])
        for host, tracker in (("recorder", 0), ("viewer", 1)):
            self.assertTrue(self.connected(host, tracker), f"{host} uses another tracker")

    def close(self):
        result = self._outcome.result
        failed = any(test is self for test, _ in result.failures + result.errors)
        self.cluster.close(keep_logs_as=self.id() if failed else None)

    def connected(self, host, tracker):
        address = self.cluster.addresses[tracker]
        line = [*self.cluster.host(host).prefix, "ss", "-tnH", "state", "established", "dst", address]
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip() != ""

    def check(self, rounds=ROUNDS):
        paths = (self.here / "f", self.there / "f")
        rewrite(paths[0], 0)
        for number in range(1, rounds + 1):
            writer, reader = paths if number % 3 else paths[::-1]
            read(reader)  # so that its host has something to believe
            os.stat(reader)
            change = (rewrite, append, overwrite)[number * 31 % 7 % 3]
            expected = change(writer, number)
            self.assertEqual(os.stat(writer).st_size, len(expected))
            with open(reader, "rb") as f:
                self.assertEqual(os.fstat(f.fileno()).st_size, len(expected), f"round {number}, {change.__name__}")
                self.assertTrue(f.read() == expected, f"round {number}, {change.__name__}: other bytes")

    def test_what_one_host_closed_is_what_the_other_opens(self):
        self.check()

    def test_under_load(self):
        stop = self.cluster.scratch.path / "stop-names"
        loads = [NamesLoad(point / name, stop, pause_ms=1) for point, name in ((self.here, "names"), (self.there, "others"))]
        loads += [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
        self.addCleanup(lambda: [(load.kill(), load.wait()) for load in loads[2:]])
        self.addCleanup(lambda: [load.close() for load in loads[:2]])
        self.check()
        for load in loads[:2]:
            self.assertEqual(load.result()["errors"], [])

    def test_trackers_that_do_not_hear_of_each_other(self):
        self.check(12)
        self.cluster.host("tracker0").cut_from(self.cluster.host("tracker1"))
        self.check(40)
        self.cluster.network.heal()
        self.check(12)


class Strangers(TwoTrackers):
    """Two trackers on one database, by mistake or one just added, each of which was told that it is the only one: the first has
    granted its clients that what they know of sealed files is good, until it hears of the second. The first grants it again when
    it has not met the other for a while, or was restarted."""
    strangers = True
    test_under_load = test_trackers_that_do_not_hear_of_each_other = None

    def test_what_one_host_closed_is_what_the_other_opens(self):
        self.check(40)

    def test_a_tracker_is_added(self):
        """The first has been alone for a while; its client has been told so and does not ask for what it knows."""
        self.cluster.kill("tracker1")
        self.cluster.restart("tracker0")  # revokes the other's lease, if that one had it
        self.cluster.restart("tracker0")
        log = self.cluster.scratch.path / "log/tracker0.log"
        wait_for(lambda: "sole_lease.taken" in log.read_text().rsplit("tracker.started", 2)[-2], 10, "tracker0 to be the only one")
        expected = rewrite(self.here / "f", 1)
        for _ in range(3):
            self.assertEqual(read(self.here / "f"), expected)
        self.cluster.restart("tracker1")
        expected = append(self.there / "f", 2)
        self.assertEqual(read(self.here / "f"), expected)
        self.check(6)


if __name__ == "__main__":
    unittest.main()
