"""A storage server is gone for good, disk and all, and what it alone had is given up.

Fault model: of two servers one is away while a file is written, then the other one dies and its disk is destroyed. What the first one
has is older, and nothing of it counts until an administrator accepts the loss (`vcfs storage remove --accept-loss`). The tracker may
die in the middle. What must not happen: that a byte is shown that was never written, that two copies that differ are both in sync,
that something is given up without having been told, or that a disk which comes back after all counts again.
"""
import errno
import os
import shutil
import subprocess
import time
import unittest

from fault_case import FaultCase
from vcfs_test import env
from vcfs_test.cluster import Cluster
from vcfs_test.files import pattern, sha256
from vcfs_test.open_writer import Writer
from vcfs_test.wait import wait_for

KIB = 1 << 10


class LostServer(FaultCase):
    storages = 2

    def make_cluster(self):
        return Cluster(storages=self.storages, copies=2)

    def setUp(self):
        super().setUp()
        self.old, self.gone = "s1", "s2"

    # ---- how it comes about

    def write(self, name, start, end, fsync=True):
        """Bytes [start, end) of the file's pattern."""
        with open(self.cluster.mount / name, "r+b" if start else "wb") as f:
            f.seek(start)
            f.write(pattern(end)[start:])
            f.flush()
            if fsync:
                os.fsync(f.fileno())

    def away(self, name):
        return self.servers()[name]["state"] == "unreachable"

    def servers(self):
        return {s["name"]: s for s in self.cluster.json("storage list")}

    def lose_first(self):
        self.cluster.kill(self.old)
        wait_for(lambda: self.away(self.old), 10, f"{self.old} to be away")

    def destroy(self, name):
        data = self.servers()[name]["data"]
        self.cluster.kill(name)
        shutil.rmtree(data)

    def older_copy_returns(self):
        """The one with more is destroyed, the one that was away comes back."""
        self.destroy(self.gone)
        self.cluster.restart_alone(self.old)
        wait_for(lambda: self.servers()[self.old]["state"] == "up", 20, f"{self.old} to be back")
        wait_for(lambda: self.servers()[self.gone]["away_seconds"] >= 3, 20, f"{self.gone} to be away for a while")

    def make_two_versions(self, name="talk.bin"):
        self.write(name, 0, 300 * KIB)
        self.cluster.wait_in_sync("/" + name)
        self.lose_first()
        self.write(name, 300 * KIB, 500 * KIB)
        self.cluster.wait_sealed()
        self.older_copy_returns()

    # ---- the command

    def remove(self, *options, code=0):
        result = self.cluster.vcfs("storage remove", self.gone, *options, check=False, timeout=60)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result

    def accept(self, *options):
        return self.remove("--accept-loss", *options)

    def refused(self, *options, code=1):
        return self.remove(*options, code=code).stderr

    # ---- expectation

    def assert_shows(self, name, size):
        """Both hosts see the first `size` bytes of the pattern, and no others."""
        for mount in (self.cluster.mount, self.other):
            wait_for(lambda: os.stat(mount / name).st_size == size, 10, f"{name} to have {size} bytes")
            self.assertEqual((mount / name).read_bytes(), pattern(size))

    def assert_copied(self, name, storages):
        self.cluster.wait_in_sync("/" + name)
        replicas = self.cluster.stat("/" + name)["replicas"]
        self.assertEqual({r["storage"] for r in replicas}, storages)
        self.assertEqual(len({sha256(r["path"]) for r in replicas}), 1)

    def assert_clean(self):
        result = self.cluster.vcfs("fsck --deep --json", check=False, timeout=60)
        self.assertEqual(result.returncode, 0, result.stdout)


class OlderCopy(LostServer):
    def test_it_goes_on_once_the_loss_is_accepted_and_is_copied_to_a_new_server(self):
        self.make_two_versions()
        self.write("both.bin", 0, 10 * KIB)  # in sync on the server that is there
        before = self.cluster.stat("/talk.bin")
        self.assertNotIn(self.old, [r["storage"] for r in before["replicas"] if r["state"] == "in-sync"])
        self.assertIn("--accept-loss", self.refused())
        self.assertIn("--dry-run", self.refused("--accept-loss", code=2))

        told = self.cluster.json("storage remove", self.gone, "--accept-loss", "--dry-run")
        self.assertEqual([(f["path"], f["fate"], f["size"], f["kept"], f["lost"], f["source"]) for f in told["losses"]],
                         [("/talk.bin", "kept", 500 * KIB, 300 * KIB, 200 * KIB, self.old)])
        self.assertEqual((told["removed"], told["bytes_lost"]), (False, 200 * KIB))
        self.assertEqual(self.cluster.stat("/talk.bin"), before)
        self.assertIn(self.gone, self.servers())

        os.rename(self.cluster.mount / "talk.bin", self.cluster.mount / "renamed.bin")
        out = self.accept("--yes").stdout
        self.assertIn("/renamed.bin: 300.0 KiB of 500.0 KiB kept", out)
        self.assertIn("removed", out)
        after = self.cluster.stat("/renamed.bin")
        self.assertEqual((after["state"], after["size"]), ("recovered", 300 * KIB))
        self.assertGreater(after["epoch"], before["epoch"])
        self.assertEqual([(r["storage"], r["state"]) for r in after["replicas"]], [(self.old, "in-sync")])
        self.assert_shows("renamed.bin", 300 * KIB)
        self.assertNotIn(self.gone, self.servers())

        self.cluster.add_storage("s3")
        self.assert_copied("renamed.bin", {self.old, "s3"})
        self.assert_copied("both.bin", {self.old, "s3"})
        self.write("renamed.bin", 300 * KIB, 400 * KIB)  # an ordinary file again
        self.assert_shows("renamed.bin", 400 * KIB)
        self.cluster.wait_sealed()
        self.assert_clean()

    def test_a_writer_who_still_has_it_open_is_told_once_and_goes_on(self):
        writer = Writer(self.cluster.mount / "live.bin")
        self.addCleanup(writer.close)
        content = pattern(500 * KIB)
        self.assertEqual([writer.write(content[:300 * KIB], 0), writer.sync()], [0, 0])
        self.cluster.wait_in_sync("/live.bin")
        self.lose_first()
        self.assertEqual([writer.write(content[300 * KIB:400 * KIB], 300 * KIB), writer.sync()], [0, 0])
        self.assertEqual(writer.write(content[400 * KIB:], 400 * KIB), 0)
        wait_for(lambda: os.stat(self.other / "live.bin").st_size == 500 * KIB, 10, "all to be on the one server")
        self.older_copy_returns()
        self.assertIn("at least", self.accept("--yes").stdout)
        self.assertEqual(writer.write(b"more", 500 * KIB), 0)
        self.assertEqual([writer.sync(), writer.sync()], [errno.EIO, 0])
        wait_for(lambda: os.stat(self.other / "live.bin").st_size == 500 * KIB + 4, 10, "what is written now")
        seen = (self.other / "live.bin").read_bytes()
        self.assertEqual(seen[500 * KIB:], b"more")
        self.assertTrue(seen[:300 * KIB] == content[:300 * KIB])

    def test_the_tracker_dies_in_the_middle_and_the_command_is_repeated(self):
        self.write("first", 0, 1000)
        self.cluster.wait_in_sync("/first")
        names = [f"f{i}" for i in range(250)]  # three pages
        for name in names:
            self.write(name, 0, 2 * KIB, fsync=False)
        for name in names:
            self.cluster.wait_in_sync("/" + name)
        self.lose_first()
        for name in names:
            self.write(name, 2 * KIB, 4 * KIB, fsync=False)
        self.cluster.wait_sealed()
        self.older_copy_returns()

        # `vcfs up` would start the server that is gone as well, so the tracker is asked by its address.
        trackers = self.cluster.trackers
        line = [env.program("vcfs"), "storage", "remove", self.gone, "--accept-loss", "--yes", "--trackers", trackers]
        command = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(command.wait)
        first = self.cluster.mount / "f0"
        wait_for(lambda: os.stat(first).st_size == 2 * KIB, 20, "the first files to be given up", interval=0.001)
        self.cluster.kill("tracker0")
        self.cluster.restart_alone("tracker0")
        command.wait(timeout=60)

        def removed():
            again = subprocess.run(line, capture_output=True, text=True, timeout=60)
            return again.returncode == 0 or "there is no storage server" in again.stderr
        wait_for(removed, 60, f"{self.gone} to be removed")
        for name in names:
            self.assert_shows(name, 2 * KIB)
            self.assertEqual(os.getxattr(self.cluster.mount / name, "user.vcfs.state"), b"recovered")
        self.assert_shows("first", 1000)


class NoOtherCopy(LostServer):
    def test_the_name_stays_reads_fail_and_it_can_be_removed(self):
        self.lose_first()
        self.write("alone.bin", 0, 100 * KIB)
        (self.cluster.mount / "empty").touch()
        self.cluster.wait_sealed()
        self.older_copy_returns()

        text = self.accept("--dry-run").stdout
        self.assertIn("/alone.bin: lost, 100.0 KiB", text)
        self.accept("--yes")
        info = self.cluster.stat("/alone.bin")
        self.assertEqual((info["state"], info["size"], info["replicas"]), ("lost", 100 * KIB, []))
        for mount in (self.cluster.mount, self.other):
            begin = time.monotonic()
            with self.assertRaises(OSError) as failure:
                (mount / "alone.bin").read_bytes()
            self.assertEqual(failure.exception.errno, errno.EIO)
            self.assertLess(time.monotonic() - begin, 10 * env.SLOWDOWN, "there is nobody to wait for")
        self.assertEqual((self.cluster.mount / "empty").read_bytes(), b"")
        found = self.cluster.vcfs("fsck --json", check=False, timeout=60)
        self.assertEqual(found.returncode, 1, found.stdout)
        self.assertIn('"kind": "lost"', found.stdout)
        self.assertIn("/alone.bin", found.stdout)

        os.unlink(self.cluster.mount / "alone.bin")
        self.write("alone.bin", 0, 50 * KIB)
        self.assert_shows("alone.bin", 50 * KIB)


class NotGone(LostServer):
    def test_nothing_is_given_up_while_the_server_is_up(self):
        self.write("f", 0, 1000)
        self.cluster.wait_in_sync("/f")
        self.assertIn("is up", self.refused("--accept-loss", "--yes"))
        self.assertIn("is up", self.refused("--accept-loss", "--dry-run"))
        self.assert_shows("f", 1000)

    def test_a_disk_that_comes_back_after_its_removal_is_refused(self):
        self.write("talk.bin", 0, 300 * KIB)
        self.cluster.wait_in_sync("/talk.bin")
        self.lose_first()
        self.write("talk.bin", 300 * KIB, 500 * KIB)
        self.cluster.wait_sealed()
        self.cluster.kill(self.gone)  # its disk is well
        self.cluster.restart_alone(self.old)
        wait_for(lambda: self.servers()[self.gone]["away_seconds"] >= 3 and not self.away(self.old), 20, "one to be back")
        self.accept("--yes")
        self.assert_shows("talk.bin", 300 * KIB)
        self.cluster.restart_alone(self.gone)
        log = self.cluster.scratch.path / f"{self.gone}.log"
        wait_for(lambda: "storage.refused" in log.read_text(), 20, f"{self.gone} to be refused")
        self.assertNotIn(self.gone, self.servers())
        self.assert_shows("talk.bin", 300 * KIB)

    def test_a_new_disk_under_its_name_touches_nothing_and_is_taken_once_the_old_one_is_removed(self):
        self.make_two_versions()
        self.cluster.restart_alone(self.gone)  # on an empty disk
        log = self.cluster.scratch.path / f"{self.gone}.log"
        wait_for(lambda: "storage.refused" in log.read_text(), 20, f"{self.gone} to be refused")
        self.assertEqual(self.cluster.stat("/talk.bin")["size"], 500 * KIB)
        self.accept("--yes")
        self.assert_shows("talk.bin", 300 * KIB)
        self.assert_copied("talk.bin", {self.old, self.gone})
        self.assert_clean()

    def test_files_wait_while_the_only_older_copy_is_away_too(self):
        self.write("talk.bin", 0, 300 * KIB)
        self.cluster.wait_in_sync("/talk.bin")
        self.lose_first()
        self.write("talk.bin", 300 * KIB, 500 * KIB)
        self.cluster.wait_sealed()
        self.destroy(self.gone)
        wait_for(lambda: self.servers()[self.gone]["away_seconds"] >= 3, 20, f"{self.gone} to be away for a while")
        said = self.remove("--accept-loss", "--yes", code=1)
        self.assertIn(f"/talk.bin: waits: {self.old}", said.stdout)
        self.assertIn("is needed", said.stderr)
        self.assertIn("/talk.bin: lost", self.accept("--accept-unseen", "--dry-run").stdout)
        self.assertIn(self.gone, self.servers())
        self.cluster.restart_alone(self.old)
        wait_for(lambda: not self.away(self.old), 20, f"{self.old} to be back")
        self.accept("--yes")
        self.assert_shows("talk.bin", 300 * KIB)


if __name__ == "__main__":
    unittest.main()
