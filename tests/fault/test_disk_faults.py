"""A disk fails while a meeting is recorded: it is full, or read-only, or every access is an I/O error.

Fault model: each storage server has a small filesystem of its own; one of them (or all) refuses from a moment on; servers and network
are well, so that the process that serves the broken disk answers quickly and politely. Survival is expected because a replica that
cannot keep a byte is reported and replaced like one that is away.
"""
import errno
import os
import subprocess
import time
import unittest

from fault_case import HUNG_MS, KILLED_MS, PATH, FaultCase
from vcfs_test import env
from vcfs_test.disks import SmallDisk
from vcfs_test.expand import each, expand
from vcfs_test.files import pattern, sha256
from vcfs_test.hosts import HostCluster
from vcfs_test.wait import wait_for

MEGABYTES = 200
STALL_LIMIT = 30
SYNCED = pattern(3 << 20)


class DiskCase(FaultCase):
    httpd = False

    def make_cluster(self):
        self.disks = {f"s{i}": None for i in range(1, self.storages + 1)}
        cluster = HostCluster(storages=self.storages, httpd=self.httpd, disks=self.disks, storage_options=("--reserve", "0"),
                              tracker_options=("--min-free", "0"))
        for name in self.disks:
            self.disks[name] = cluster.closing(SmallDisk(cluster.scratch.path, f"disk-{name}", MEGABYTES))
        cluster.use_disks({name: disk.path / "data" for name, disk in self.disks.items()})
        return cluster

    def mend(self, name):
        """A new cable: the disk is there again, and its server is started again."""
        self.cluster.kill(name)
        self.disks[name].unmount()
        self.disks[name].mount()
        self.cluster.restart(name)

    def primary_disk(self):
        return self.disks[self.cluster.primary_of(PATH)]

    def follower_disk(self):
        return self.disks[self.cluster.followers_of(PATH)[0]]

    def is_replaced(self, disk, stall_ms=KILLED_MS):
        """The recording goes on without the broken disk, with as many copies as before."""
        broken = next(name for name, d in self.disks.items() if d is disk)
        self.wait_for_growth(1_000_000)
        self.finish(stall_ms, figure="disk_broken")
        wait_for(lambda: broken not in self.in_sync(), 10, f"{broken} to be given up")
        self.assert_copies(2)

    def in_sync(self, path=PATH):
        return {r["storage"] for r in self.cluster.stat(path)["replicas"] if r["state"] == "in-sync"}

    def assert_copies(self, copies, path=PATH):
        """As many equal copies; what lies on the broken disk does not count."""
        wait_for(lambda: len(self.in_sync(path)) >= copies, 20, f"{copies} in-sync replicas")
        expected = sha256(self.other / path[1:])
        self.assertEqual({sha256(p) for p in self.cluster.replica_paths(path)}, {expected})


class OneDisk(DiskCase):
    def test_primarys_disk_full_is_replaced_unnoticed(self):
        self.start_recording()
        disk = self.primary_disk()
        disk.fill(leave=300_000)
        self.is_replaced(disk)

    def test_followers_disk_full_is_replaced_unnoticed(self):
        self.start_recording()
        disk = self.follower_disk()
        disk.fill(leave=300_000)
        self.is_replaced(disk)

    def test_primarys_disk_read_only_is_replaced_unnoticed(self):
        self.start_recording()
        disk = self.primary_disk()
        disk.make_read_only()
        self.is_replaced(disk)

    def test_followers_disk_read_only_is_replaced_unnoticed(self):
        self.start_recording()
        disk = self.follower_disk()
        disk.make_read_only()
        self.is_replaced(disk)

    def test_primarys_disk_broken_is_replaced_unnoticed(self):
        self.start_recording()
        disk = self.primary_disk()
        disk.fail()
        self.is_replaced(disk)

    def test_followers_disk_broken_is_replaced_unnoticed(self):
        self.start_recording()
        disk = self.follower_disk()
        disk.fail()
        self.is_replaced(disk)


@expand
class Readers(DiskCase):
    """The disk that is being read from breaks in the middle; another one has the same bytes."""

    storages = 2
    httpd = True
    MIB = 1 << 20

    def setUp(self):
        super().setUp()
        self.data = pattern(self.MIB) * 30
        with open(self.cluster.mount / "movie", "wb") as f:
            f.write(self.data)
            os.fsync(f.fileno())
        self.cluster.wait_in_sync("/movie")

    @each([("the first", 0), ("the second", 1)])
    def test_a_mount_and_an_http_server_read_on_without(self, which):
        """One of the two is not read from: that it breaks must not matter either."""
        url = self.cluster.url + "/movie"
        # Slower than the line, so that the server has not read everything by the time the disk breaks.
        curl = subprocess.Popen([*self.cluster.host("viewer").prefix, "curl", "-sSf", "--limit-rate", "10M", url],
                                stdout=subprocess.PIPE)
        with curl.stdout, open(self.other / "movie", "rb", buffering=0) as mounted:
            os.posix_fadvise(mounted.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            readers = {"mount": mounted, "http": curl.stdout}
            got = {name: reader.read(self.MIB) for name, reader in readers.items()}
            self.disks[sorted(self.disks)[which]].fail()
            for name, reader in readers.items():
                got[name] += self.read_timed(name, reader)
        self.assertEqual(curl.wait(30), 0)
        for name, data in got.items():
            self.assertTrue(data == self.data, f"{name}: {len(data)} bytes came, {len(self.data)} wanted, or they differ")

    def read_timed(self, name, reader):
        got, longest = b"", 0
        while True:
            begin = time.monotonic()
            piece = reader.read(self.MIB)
            longest = max(longest, time.monotonic() - begin)
            if not piece:
                break
            got += piece
        print(f"{self._testMethodName}: {name}: longest read {longest * 1000:.0f} ms", flush=True)
        self.assertLessEqual(longest, HUNG_MS / 1000 * env.SLOWDOWN, name)
        return got


class EveryDisk(DiskCase):
    storages = 2

    def test_full_disks_are_an_error_and_no_hang_and_room_lets_the_recording_go_on(self):
        self.start_recording(follow=False)
        # Made before: a second later the trackers know that there is no room, and refuse new files.
        with open(self.cluster.mount / "big", "wb", buffering=0) as f:
            for disk in self.disks.values():
                disk.fill(leave=2_000_000)

            def write_on():
                with self.assertRaises(OSError) as raised:
                    for _ in range(100):
                        f.write(b"x" * (1 << 20))
                return raised.exception.errno
            self.assertEqual(write_on(), errno.ENOSPC)
            self.recording_stands_still()
            for disk in self.disks.values():
                disk.free()

            def write_and_sync():  # a write alone is only taken; what became of it, the next call tells
                f.write(b"later")
                os.fsync(f.fileno())
                return True
            wait_for(write_and_sync, 15, "a write when there is room")
        self.goes_on_after_the_errors(errno.ENOSPC, PATH, "/big")

    def recording_stands_still(self, seconds=1.5):
        """For longer than from one fsync to the next: its recorder was told by then."""
        size = self.size_watcher(PATH)
        seen = {"size": -1, "since": 0}

        def stands():
            now = size()
            if now != seen["size"]:
                seen.update(size=now, since=time.monotonic())
            return time.monotonic() - seen["since"] > seconds
        wait_for(stands, 30, "the recording to stand still")

    def test_broken_disks_are_an_error_and_what_was_synced_is_there_when_they_are_back(self):
        self.every_disk_refuses(SmallDisk.fail, errno.EIO)

    def test_read_only_disks_are_an_error_and_what_was_synced_is_there_when_they_are_back(self):
        self.every_disk_refuses(SmallDisk.make_read_only, errno.EROFS)

    def every_disk_refuses(self, refuse, told):
        self.start_recording(follow=False)
        with open(self.cluster.mount / "big", "wb", buffering=0) as f:
            f.write(SYNCED)
            os.fsync(f.fileno())
            for disk in self.disks.values():
                refuse(disk)
            begin = time.monotonic()
            with self.assertRaises(OSError) as raised:
                f.write(b"not kept")
                os.fsync(f.fileno())
            self.assertLess(time.monotonic() - begin, STALL_LIMIT * env.SLOWDOWN)
            self.assertEqual(errno.errorcode[raised.exception.errno], errno.errorcode[told])
            self.recording_stands_still()
            for name in self.disks:
                self.mend(name)
        self.goes_on_after_the_errors(told, PATH, "/big")
        self.assertTrue((self.other / "big").read_bytes().startswith(SYNCED), "bytes that were synced are gone")

    def goes_on_after_the_errors(self, told, *paths):
        self.wait_for_growth(2_500_000, deadline=30)  # more than a hole that the errors left, and the next fsync
        written = self.finish_after_errors()
        self.assertIn(os.strerror(told), written["first_error"])
        self.assertLess(max(written[call]["max_ms"] for call in ("write", "fsync", "close")), STALL_LIMIT * 1000 * env.SLOWDOWN)
        for path in paths:
            self.assert_replicas_equal(path)
        self.assert_nothing_to_repair()

    def test_disk_that_was_broken_is_caught_up_after_its_server_was_restarted(self):
        self.start_recording()
        broken = self.cluster.followers_of(PATH)[0]
        self.disks[broken].fail()
        self.wait_for_growth(1_000_000)
        self.mend(broken)
        self.cluster.wait_in_sync(PATH)
        self.finish(HUNG_MS)
        self.assert_replicas_equal()


if __name__ == "__main__":
    unittest.main()
