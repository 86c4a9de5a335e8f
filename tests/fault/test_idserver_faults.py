"""Two ID servers on one MariaDB catalog; either dies.

Fault model: one ID server at a time is killed (kill -9), and the tracker is restarted, so that it has no ids left and must ask.
Survival is expected because a range is one committed update of the catalog, whoever asked for it.
"""
import json
import shutil
import subprocess
import unittest
from urllib.parse import quote

from vcfs_test import env, mariadb
from vcfs_test.cluster import Cluster
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


if __name__ == "__main__":
    unittest.main()
