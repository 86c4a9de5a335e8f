"""The disk of a storage server is gone for good, and a new, empty one is put in its place.

Fault model: a server and its disk are destroyed while others have all of its files; a server is started on an empty disk under the
same name, as after a disk was replaced or when a mount of the disk is missing. What must not happen: that the empty disk is taken for
the one with the files, that a copy elsewhere is cut to be equal to it, or that an administrator needs a third server to get back to
two copies.
"""
import os
import shutil
import unittest

from fault_case import FaultCase
from vcfs_test.cluster import Cluster
from vcfs_test.files import pattern, sha256
from vcfs_test.open_writer import Writer
from vcfs_test.wait import wait_for

KIB = 1 << 10


class NewDisk(FaultCase):
    def make_cluster(self):
        return Cluster(storages=2, copies=2)

    def setUp(self):
        super().setUp()
        self.kept, self.gone = "s1", "s2"

    def write(self, name, start, end):
        """Bytes [start, end) of the file's pattern."""
        with open(self.cluster.mount / name, "r+b" if start else "wb") as f:
            f.seek(start)
            f.write(pattern(end)[start:])
            f.flush()
            os.fsync(f.fileno())

    def servers(self):
        return {s["name"]: s for s in self.cluster.json("storage list")}

    def wait_away(self, name):
        wait_for(lambda: self.servers()[name]["away_seconds"] > 0, 20, f"{name} to be away")

    def destroy(self, name):
        """The process, and what is on its disk."""
        data = self.servers()[name]["data"]
        self.cluster.kill(name)
        shutil.rmtree(data)

    def start_on_an_empty_disk(self, name):
        self.cluster.restart_alone(name)
        wait_for(lambda: "refused" in self.servers()[name], 20, f"{name} to be refused")

    def remove(self, *options, code=0):
        result = self.cluster.vcfs("storage remove", self.gone, *options, check=False, timeout=120)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout + result.stderr

    def assert_shows(self, name, size):
        """Both hosts see the first `size` bytes of the pattern, and no others."""
        for mount in (self.cluster.mount, self.other):
            wait_for(lambda: os.stat(mount / name).st_size == size, 10, f"{name} to have {size} bytes")
            self.assertEqual((mount / name).read_bytes(), pattern(size))

    def assert_copied(self, name):
        self.cluster.wait_in_sync("/" + name)
        replicas = self.cluster.stat("/" + name)["replicas"]
        self.assertEqual({r["storage"] for r in replicas}, {self.kept, self.gone})
        self.assertEqual(len({sha256(r["path"]) for r in replicas}), 1)

    def assert_clean(self):
        result = self.cluster.vcfs("fsck --deep --json", check=False, timeout=120)
        self.assertEqual(result.returncode, 0, result.stdout)


class Replaced(NewDisk):
    def test_of_two_servers_with_a_recording_under_way(self):
        self.write("talk.bin", 0, 300 * KIB)
        self.cluster.wait_in_sync("/talk.bin")
        content = pattern(500 * KIB)
        writer = Writer(self.cluster.mount / "live.bin")
        self.addCleanup(writer.close)
        self.assertEqual([writer.write(content[:200 * KIB], 0), writer.sync()], [0, 0])
        self.cluster.wait_in_sync("/live.bin")

        self.destroy(self.gone)
        self.assertEqual([writer.write(content[200 * KIB:400 * KIB], 200 * KIB), writer.sync()], [0, 0])
        self.start_on_an_empty_disk(self.gone)
        said = self.cluster.vcfs("status").stdout
        self.assertIn(f"{self.gone} is refused", said)
        self.assertIn(f"vcfs storage remove {self.gone}", said)
        self.assertIn("is refused", self.cluster.vcfs("doctor", check=False, timeout=60).stdout)
        self.wait_away(self.gone)
        self.assertIn("--force", self.remove(code=1))

        before = self.servers()[self.gone]["id"]
        self.remove("--force")
        self.assertEqual([writer.write(content[400 * KIB:], 400 * KIB), writer.sync()], [0, 0])
        writer.close()
        for name, size in (("talk.bin", 300 * KIB), ("live.bin", 500 * KIB)):
            self.assert_copied(name)
            self.assert_shows(name, size)
        self.assertNotEqual(self.servers()[self.gone]["id"], before)
        self.assert_clean()

    def test_with_thousands_of_files_the_new_disk_does_not_slip_in_under_the_old_id(self):
        count = 3000
        for i in range(count):
            (self.cluster.mount / f"f{i}").write_bytes(b"%d" % i)
        wait_for(lambda: self.cluster.json("status")["files"]["degraded"] == 0, 60, "all copies")
        self.cluster.wait_sealed(60)
        before = self.servers()[self.gone]["id"]
        old = self.servers()[self.gone]["data"]
        self.cluster.kill(self.gone)
        os.rename(old, old + ".old")
        self.start_on_an_empty_disk(self.gone)
        self.wait_away(self.gone)
        self.remove("--force")
        wait_for(lambda: self.servers().get(self.gone, {}).get("state") == "up", 20, "the new disk to be taken")
        self.assertNotEqual(self.servers()[self.gone]["id"], before)
        wait_for(lambda: self.cluster.json("status")["files"]["degraded"] == 0, 120, "all copies on the new disk")
        self.assert_clean()
        for i in (0, 1, count // 2, count - 1):
            self.assert_copied(f"f{i}")
            self.assertEqual((self.other / f"f{i}").read_bytes(), b"%d" % i)

        # The old one comes back after all.
        self.cluster.kill(self.gone)
        os.rename(old, old + ".new")
        os.rename(old + ".old", old)
        self.cluster.restart_alone(self.gone)
        wait_for(lambda: "refused" in self.servers()[self.gone], 20, "the old disk to be refused")
        self.assertEqual((self.other / "f7").read_bytes(), b"7")


class NotTaken(NewDisk):
    def test_an_older_copy_elsewhere_is_not_cut_to_the_empty_disk(self):
        self.write("talk.bin", 0, 300 * KIB)
        self.cluster.wait_in_sync("/talk.bin")
        self.cluster.kill(self.kept)
        wait_for(lambda: self.servers()[self.kept]["state"] == "unreachable", 10, f"{self.kept} to be away")
        self.write("talk.bin", 300 * KIB, 500 * KIB)
        self.cluster.wait_sealed()
        path = next(r["path"] for r in self.cluster.stat("/talk.bin")["replicas"] if r["storage"] == self.kept)
        data = self.servers()[self.gone]["data"]
        self.cluster.kill(self.gone)
        os.rename(data, data + ".old")
        self.cluster.restart_alone(self.kept)
        wait_for(lambda: self.servers()[self.kept]["state"] == "up", 20, f"{self.kept} to be back")
        self.start_on_an_empty_disk(self.gone)
        self.wait_away(self.gone)
        self.assertIn("their only one", self.remove("--force", code=1))
        self.assertEqual(os.stat(path).st_size, 300 * KIB)
        self.assertEqual(self.cluster.stat("/talk.bin")["size"], 500 * KIB)

        # The disk was only not mounted.
        self.cluster.kill(self.gone)
        shutil.rmtree(data)
        os.rename(data + ".old", data)
        self.cluster.restart_alone(self.gone)
        self.assert_copied("talk.bin")
        self.assert_shows("talk.bin", 500 * KIB)
        self.assert_clean()


if __name__ == "__main__":
    unittest.main()
