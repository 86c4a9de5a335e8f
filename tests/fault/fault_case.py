"""The frame of a fault test: a recorder writes and syncs through one mount, a follower reads through a second one, a fault
happens in between, and afterwards everything is compared.

The recorder writes 32 KiB records at 4 Mbit/s and calls fsync once a second, as a recorder that must not lose a meeting does.
A stall is the longest single call (write or fsync) beyond what this disk's fsync takes without a fault; a record's age is what
a viewer notices.
"""
import os
import unittest

from vcfs_test import env, figures
from vcfs_test.cluster import Cluster
from vcfs_test.files import sha256
from vcfs_test.media import FfmpegRecorder, video_packets
from vcfs_test.records import Follower, Recorder, verify
from vcfs_test.wait import wait_for

KILLED_MS = 100   # longest stall when a process dies
HUNG_MS = 3000    # longest stall when it hangs or is cut off
WHOLE_AGAIN_S = 2  # from the start of a server that is 30 MB behind until every file has its copies again
PATH = "/meeting/rec.bin"


class FaultCase(unittest.TestCase):
    """One cluster per test: a fault leaves nothing for the next one."""

    time_limit = 180
    storages = 3

    def make_cluster(self):
        return Cluster(storages=self.storages)

    def setUp(self):
        self.cluster = self.make_cluster()
        self.recorder = self.follower = None
        self._watched = {}
        self.addCleanup(self._close)
        self.cluster.up()
        self.other = self.cluster.mount_again("viewer")
        (self.cluster.mount / "meeting").mkdir()

    def _close(self):
        for fd in self._watched.values():
            os.close(fd)
        for process in (self.recorder, self.follower):
            if process:
                process.close()
        self.cluster.close(keep_logs_as=self.id() if self._failed() else None)

    def _failed(self):
        """A clean-up is a part of its own for unittest's outcome; the result has the failures of the test before it."""
        result = self._outcome.result
        return any(test is self for test, _ in result.failures + result.errors)

    # ---- setup

    def start_recording(self, seconds=60, fsync=1000, path=PATH, follow=True):
        """Returns when more than a second's worth of records is on both replicas: the first fsync, which also makes the name durable
        and needs a tracker for that, has returned then."""
        target = self.cluster.mount / path[1:]
        self.stop_file = self.cluster.scratch.path / "stop"
        self.done_file = self.cluster.scratch.path / "done"
        self.recorder = Recorder(target, seconds=seconds, fsync=fsync, stop_file=str(self.stop_file))
        if follow:
            self.follower = Follower(self.other / path[1:], done_file=str(self.done_file), poll=2, idle=30)
        self.wait_for_growth(600_000, path)

    def wait_for_growth(self, more, path=PATH, deadline=15):
        """Until `more` further bytes can be read on the other host."""
        size = self.size_watcher(path)
        start = size()
        wait_for(lambda: size() >= start + more, deadline, f"{more} more bytes of {path}")

    def size_watcher(self, path):
        """A function that tells the size on the other host, through a descriptor: names may be away."""
        if path not in self._watched:
            target = self.other / path[1:]
            self._watched[path] = wait_for(lambda: os.open(target, os.O_RDONLY) + 1, 10, f"{path} on the other host") - 1
        return lambda: os.fstat(self._watched[path]).st_size

    def start_ffmpeg(self, path, *options, **pace):
        """A real recorder; returns when its file has begun to grow on the other host."""
        self.ffmpeg = FfmpegRecorder(self.cluster.mount / path[1:], options, **pace)
        self.addCleanup(self.ffmpeg.close)
        self.wait_for_growth(200_000, path)

    # ---- expectation

    def finish(self, stall_ms, path=PATH, fsync_extra_ms=0, figure=None):
        """Ends the recording and checks that nobody noticed: no error, no stall beyond the limit, every byte right. `figure`: what
        the longest stall is a figure of (figures.py)."""
        self.stop_file.touch()
        written = self.recorder.result()
        self.done_file.touch()
        self.assertEqual((written["errors"], written["first_error"]), (0, ""))
        if self.follower:
            self.check_follower(written, figure)
        checked = verify(self.other / path[1:], records=written["records"])
        self.assertEqual((checked["bad"], checked["records"], checked["partial"]), (0, written["records"], 0))
        self.check_stalls(written, stall_ms, fsync_extra_ms, figure)
        return written

    def finish_after_errors(self, path=PATH):
        """Ends a recording that was told errors and has gone on: what was synced before the first and written after the last one is
        there on the other host; between them a byte is what was written, or a hole."""
        self.stop_file.touch()
        written = self.recorder.result()
        self.assertGreater(written["errors"], 0)
        self.assertGreater(written["records"], written["sure_from"], "nothing was recorded after the error")
        checked = verify(self.other / path[1:], records=written["records"], holes=(written["safe"], written["sure_from"]))
        print(f"{self._testMethodName}: {written['first_error']}; {written['safe']} records were safe, {written['sure_from']} written"
              f" at the last error, {checked['holes']} have holes", flush=True)
        self.assertEqual((checked["error"], checked["bad"], checked["records"], checked["partial"]), ("", 0, written["records"], 0))
        return written

    def check_follower(self, written, figure):
        seen = self.follower.result()
        self.assertEqual((seen["zeros"], seen["wrong"], seen["shrinks"], seen["errors"]), (0, 0, 0, 0), seen)
        self.assertEqual(seen["records"], written["records"])
        if figure in ("storage_killed", "storage_cut"):
            figures.add(figure.replace("storage", "viewer"), seen["age"]["max_ms"])
        print(f"{self._testMethodName}: viewer: oldest record {seen['age']['max_ms']:.0f} ms, p50 {seen['age']['p50_ms']:.1f} ms",
              flush=True)

    def check_stalls(self, written, stall_ms, fsync_extra_ms, figure):
        write, sync, close = written["write"], written["fsync"], written["close"]
        usual_sync = sync.get("p50_ms", 0)
        print(f"{self._testMethodName}: longest write {write['max_ms']:.1f} ms, fsync {sync.get('max_ms', 0):.1f} ms (usual"
              f" {usual_sync:.1f}), close {close['max_ms']:.1f} ms", flush=True)
        if figure:
            figures.add(figure, max(write["max_ms"], sync.get("max_ms", 0) - usual_sync, close["max_ms"]))
        limit = stall_ms * env.SLOWDOWN
        self.assertLessEqual(write["max_ms"], limit, "longest write()")
        self.assertLessEqual(sync.get("max_ms", 0), limit + 2 * usual_sync + fsync_extra_ms, "longest fsync()")
        self.assertLessEqual(close["max_ms"], limit + 2 * usual_sync, "close()")

    def finish_ffmpeg(self, path):
        """Waits for its end and checks that it was told nothing, and that all it recorded is there, as on a local disk."""
        self.assertTrue(self.ffmpeg.running(), "the recording was over before the fault was")
        self.assertEqual(self.ffmpeg.result(), (0, ""))
        self.assert_sealed(path)
        self.assert_replicas_equal(path)
        local = self.cluster.scratch.path / os.path.basename(path)
        self.ffmpeg.make_expected(local)
        self.assertEqual(video_packets(self.other / path[1:]), video_packets(local))
        self.assertEqual(sha256(self.other / path[1:]), sha256(local))

    def assert_replicas_equal(self, path=PATH, copies=2, deadline=40):
        """Every replica that the catalog names is in sync and has the same bytes as the mount."""
        self.cluster.wait_in_sync(path, copies, deadline)
        expected = sha256(self.other / path[1:])
        paths = self.cluster.replica_paths(path)
        self.assertGreaterEqual(len(paths), copies)
        self.assertEqual({sha256(p) for p in paths}, {expected})

    def assert_sealed(self, path=PATH, state="closed"):
        self.cluster.wait_state(path, state, 30)

    def assert_nothing_to_repair(self):
        """vcfs fsck --deep: the catalog and the bytes on every disk agree."""
        self.assertEqual(self.cluster.json("fsck", "--deep", timeout=60)["problems"], [])
