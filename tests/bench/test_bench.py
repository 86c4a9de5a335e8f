"""That the bench runs and judges rightly. Nothing is measured here."""
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from vcfs_bench import report  # noqa: E402
from vcfs_test import env  # noqa: E402


class Judging(unittest.TestCase):
    def test_more_is_better_for_rates(self):
        results = {"vcfs": {"readers_32": {"MB_s": 130}}, "glusterfs": {"readers_32": {"MB_s": 100}}}
        self.assertEqual(report.check(results, ("readers_32", "MB_s", ("glusterfs", None), 1.3))[1:], (1.3, "≥ 1.30 ×", True))

    def test_less_is_better_for_times(self):
        results = {"vcfs": {"ffmpeg_hls": {"seconds": 2.0}}, "moosefs": {"ffmpeg_hls": {"seconds": 3.0}}}
        self.assertFalse(report.check(results, ("ffmpeg_hls", "seconds", ("moosefs", None), 1 / 0.6))[3])

    def test_bounds_are_absolute(self):
        results = {"vcfs": {"follower_lag": {"p99_ms": 101}}}
        self.assertFalse(report.check(results, ("follower_lag", "p99_ms", "at most", 100))[3])

    def test_the_relay_is_a_workload_of_the_local_disk(self):
        results = {"vcfs": {"seq_write_1M": {"MB_s": 400}}, "local": {"relay_write_1M": {"MB_s": 500}}}
        self.assertEqual(report.check(results, report.TARGETS[0])[1:], (0.8, "≥ 0.75 ×", True))

    def test_what_was_not_measured_is_not_judged(self):
        self.assertIsNone(report.check({"vcfs": {}}, report.TARGETS[0]))


class Smoke(unittest.TestCase):
    time_limit = 200

    def test_a_quick_run(self):
        line = [os.path.join(HERE, "run"), "--quick", "--systems", "local,vcfs", "--workloads",
                "check,seq_write_1M,relay_write_1M,seq_read_1M,recorders_50,follower_lag,small_files_8"]
        result = subprocess.run(line, capture_output=True, text=True, timeout=180, check=False,
                                env={**os.environ, "VCFS_BUILD_DIR": str(env.BUILD)})
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("the bare relay", result.stdout)


if __name__ == "__main__":
    unittest.main()
