"""Two ID servers on one MariaDB catalog; either dies, hangs or is cut off.

Fault model: one ID server at a time is killed (kill -9), hangs, or its host is cut off. The tracker needs ids meanwhile: it is
restarted and has none left, or it asks for so few at a time that it asks for every other file.
Survival is expected because a range is one committed update of the catalog, whoever asked for it, and who does not answer is left
for the other one.
"""
import itertools
import json
import os
import shutil
import subprocess
import threading
import time
import unittest
from urllib.parse import quote

from test_tracker_faults import NAMES_HUNG_MS, NAMES_KILLED_MS
from vcfs_test import env, mariadb
from vcfs_test.cluster import Cluster
from vcfs_test.hosts import HostCluster
from vcfs_test.network import require
from vcfs_test.scratch import Scratch
from vcfs_test.wait import wait_for


class TwoIdServers(unittest.TestCase):
    def setUp(self):
        require("MariaDB", "" if shutil.which("mariadbd") else "there is no mariadbd")
        self.scratch = Scratch("vcfs-test-db")
        self.addCleanup(self.scratch.close)
        self.start_database()
        url = f"mariadb://root:@{quote(str(self.scratch.path / 's'), safe='')}/vcfs"
        self.cluster = Cluster(catalog=url, options=("--idservers", 2))
        self.addCleanup(self.cluster.close)
        self.cluster.up()
        self.ids = set()

    def start_database(self):
        data, socket = self.scratch.path / "db", self.scratch.path / "s"
        subprocess.run(["cp", "-r", "--sparse=always", str(mariadb._template()), str(data)], check=True)
        with open(self.scratch.path / "db.log", "w") as log:
            process = subprocess.Popen(["mariadbd", "--no-defaults", f"--datadir={data}", "--user=root", f"--socket={socket}",
                                        "--skip-networking", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M",
                                        f"--pid-file={data}/pid"], stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def ready():
            return subprocess.run(["mariadb", "--no-defaults", f"--socket={socket}", "-uroot", "-e",
                                   "CREATE DATABASE IF NOT EXISTS vcfs"], capture_output=True, timeout=10).returncode == 0
        wait_for(ready, 30, "MariaDB to answer")

    def make_files(self, name, count=20):
        """Their ids were never seen before."""
        for i in range(count):
            (self.cluster.mount / f"{name}-{i}").write_bytes(b"x")
            inode = (self.cluster.mount / f"{name}-{i}").stat().st_ino
            self.assertNotIn(inode, self.ids)
            self.ids.add(inode)

    def test_either_may_die_and_no_id_is_given_twice(self):
        self.make_files("both")
        for victim in ("idserver0", "idserver1"):
            self.cluster.kill(victim)
            tracker = self.restart_tracker_only()
            self.make_files(f"without-{victim}")
            self.assertEqual(self.states(), ["unreachable", "up"])
            tracker.kill()
            tracker.wait()
            self.cluster.up()
            self.make_files(f"with-{victim}")
        self.assertEqual(len(self.ids), 100)
        self.assertEqual(self.cluster.json("fsck", timeout=60)["problems"], [])

    def states(self):
        """As the tracker tells: `vcfs status --dir` does not know the one that was started by hand."""
        line = [env.program("vcfs"), "status", "--json", "--trackers", f"127.0.0.1:{self.cluster.ports.base}"]
        status = json.loads(subprocess.run(line, capture_output=True, timeout=30, check=False).stdout)
        return sorted(s["state"] for s in status["idservers"])

    def restart_tracker_only(self):
        """`vcfs up` would start the ID server too."""
        with open(f"/proc/{self.cluster.pid('tracker0')}/cmdline") as f:
            line = f.read().split("\0")[:-1]
        self.cluster.kill("tracker0")
        with open(self.cluster.directory / "log/tracker-1.log", "a") as log:
            process = subprocess.Popen(line, stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process


class Creates:
    """Makes files in `directory`, one after the other, until stop(); each create is timed and each id kept."""

    def __init__(self, directory):
        self.ids, self.errors, self.longest_ms = [], [], 0
        directory.mkdir()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(directory,), daemon=True)
        self._thread.start()

    def _run(self, directory):
        for i in itertools.count():
            if self._ends.is_set() or len(self.errors) > 10:
                return
            begin = time.monotonic()
            try:
                self._make(directory / str(i))
            except OSError as e:
                self.errors.append(f"{e} after {time.monotonic() - begin:.2f} s")
            self.longest_ms = max(self.longest_ms, (time.monotonic() - begin) * 1000)

    def _make(self, path):
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        try:
            self.ids.append(os.fstat(fd).st_ino)
        finally:
            os.close(fd)

    def wait_more(self, count=100):
        wanted = len(self.ids) + count
        wait_for(lambda: self.errors or len(self.ids) >= wanted, 20, f"{count} more files")

    def stop(self):
        self._ends.set()
        self._thread.join(60)


class OneOfTwo(unittest.TestCase):
    """The tracker asks for two ids at a time."""

    time_limit = 120

    def setUp(self):
        self.cluster = HostCluster(storages=2, catalog=mariadb.one_server, idservers=2, tracker_options=["--id-range", 2])
        self.addCleanup(self.cluster.close)
        self.cluster.up()
        self.known = set()

    def strike_each(self, strike, end, limit_ms):
        """The first is the one that a tracker asks that was just started; afterwards it asks the other."""
        for victim in ("idserver0", "idserver1"):
            creates = self.start_creates(f"without {victim}")
            strike(victim)
            creates.wait_more()
            self.assertEqual(sorted(s["state"] for s in self.cluster.status()["idservers"]), ["unreachable", "up"])
            self.finish_creates(creates, limit_ms, f"without {victim}")
            creates = self.start_creates(f"tracker restarted without {victim}")
            self.cluster.restart("tracker0")
            creates.wait_more()
            self.finish_creates(creates, NAMES_HUNG_MS, f"tracker restarted without {victim}")
            end(victim)
            creates = self.start_creates(f"with {victim} again")
            creates.wait_more()
            self.finish_creates(creates, limit_ms, f"with {victim} again")
        self.assertEqual(self.cluster.json("fsck", timeout=60)["problems"], [])

    def start_creates(self, directory):
        creates = Creates(self.cluster.mount / directory)
        self.addCleanup(creates.stop)
        creates.wait_more(20)
        return creates

    def finish_creates(self, creates, limit_ms, what):
        creates.stop()
        print(f"{self._testMethodName}: {what}: {len(creates.ids)} files, longest create {creates.longest_ms:.0f} ms", flush=True)
        self.assertEqual(creates.errors, [], what)
        self.assertLessEqual(creates.longest_ms, limit_ms * env.SLOWDOWN, f"longest create, {what}")
        self.assertEqual(len(set(creates.ids)), len(creates.ids), f"an id came twice, {what}")
        self.assertFalse(self.known & set(creates.ids), f"an id of an earlier file, {what}")
        self.known.update(creates.ids)

    def test_killed_under_creates(self):
        self.strike_each(self.cluster.kill, self.cluster.restart, NAMES_KILLED_MS)

    def test_hanging_under_creates(self):
        self.strike_each(self.cluster.stop, self.cluster.cont, NAMES_HUNG_MS)

    def test_cut_off_under_creates(self):
        self.strike_each(lambda server: self.cluster.host(server).cut(), lambda _: self.cluster.network.heal(), NAMES_HUNG_MS)


if __name__ == "__main__":
    unittest.main()
