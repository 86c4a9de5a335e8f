"""Trackers, ID servers, HTTP servers and mounts fail while a meeting is recorded.

Fault model: one of these processes is killed (kill -9) or hangs (SIGSTOP) and comes back, or does not. Open recordings do not
need any of them but their own mount; what a killed mount had not sent is lost (at most about one round trip's worth), and its
recordings are sealed as `recovered` after the lease of 10 s.
"""
import os
import signal
import subprocess
import time
import unittest

from fault_case import HUNG_MS, KILLED_MS, PATH, FaultCase
from vcfs_test.files import pattern
from vcfs_test.http import fetch
from vcfs_test.records import HttpFollower, Recorder, verify
from vcfs_test.wait import wait_for

LEASE_S = 10  # `lease` of vcfs-storage


class Trackers(FaultCase):
    storages = 2

    def test_tracker_killed_and_restarted_is_not_noticed_by_an_open_recording(self):
        self.start_recording()
        self.cluster.kill("tracker0")
        self.wait_for_growth(1_500_000)
        self.cluster.restart("tracker0")
        self.wait_for_growth(500_000)
        self.finish(KILLED_MS)
        self.assert_sealed()
        self.assert_replicas_equal()

    def test_tracker_hanging_is_not_noticed_by_an_open_recording(self):
        self.start_recording()
        self.cluster.stop("tracker0")
        self.wait_for_growth(2_000_000)
        self.cluster.cont("tracker0")
        self.wait_for_growth(500_000)
        self.finish(KILLED_MS)
        self.assert_replicas_equal()

    def test_recording_closed_without_a_tracker_is_sealed_when_one_is_back(self):
        self.start_recording(follow=False)
        self.cluster.kill("tracker0")
        self.stop_file.touch()
        written = self.recorder.result()
        self.assertEqual(written["errors"], 0)
        self.assertLess(written["close"]["max_ms"], 3000)
        self.cluster.restart("tracker0")
        self.assert_sealed()
        self.assertEqual(self.cluster.stat(PATH)["size"], written["bytes"])
        self.assert_replicas_equal()

    def test_names_wait_for_a_tracker_that_is_restarted(self):
        self.cluster.kill("tracker0")
        maker = subprocess.Popen(["sh", "-c", f"echo content > {self.cluster.mount}/later && mkdir {self.cluster.mount}/dir"],
                                 stderr=subprocess.PIPE)
        self.cluster.restart("tracker0")
        self.assertEqual((maker.wait(40), maker.stderr.read()), (0, b""))
        maker.stderr.close()
        self.assertEqual((self.other / "later").read_text(), "content\n")
        self.assertTrue((self.other / "dir").is_dir())

    def test_tracker_killed_during_creates_leaves_each_file_once_or_with_an_error(self):
        folder = self.cluster.mount / "creates"
        folder.mkdir()
        script = (f"import os\nfor i in range(1000):\n try:\n  fd = os.open(f'{folder}/f{{i}}', os.O_CREAT | os.O_EXCL | os.O_WRONLY)\n"
                  "  os.write(fd, b'x'); os.close(fd); print('ok', i, flush=True)\n except OSError as e: print('error', i, e, flush=True)\n")
        maker = subprocess.Popen(["/usr/bin/python3", "-c", script], stdout=subprocess.PIPE, text=True)
        wait_for(lambda: len(os.listdir(folder)) > 100, 20)
        self.cluster.kill("tracker0")
        self.cluster.restart("tracker0")
        lines = maker.communicate(timeout=120)[0].splitlines()
        self.assertEqual([x for x in lines if x.startswith("error")], [])
        self.assertEqual(len(os.listdir(self.other / "creates")), 1000)

    def test_idserver_killed_is_not_noticed_while_ids_are_leased(self):
        self.cluster.kill("idserver0")
        for i in range(100):
            (self.cluster.mount / f"f{i}").write_bytes(b"x")
        numbers = {(self.cluster.mount / f"f{i}").stat().st_ino for i in range(100)}
        self.assertEqual(len(numbers), 100)
        self.cluster.restart("idserver0")

    def test_every_control_process_restarted_under_a_recording(self):
        self.start_recording()
        for name in ("tracker0", "idserver0", "httpd0"):
            self.cluster.kill(name)
            self.wait_for_growth(300_000)
            self.cluster.restart(name)
        self.finish(KILLED_MS)
        self.assert_sealed()
        self.assert_replicas_equal()


class HttpServers(FaultCase):
    storages = 2

    def test_http_server_killed_serves_again_after_its_restart(self):
        (self.cluster.mount / "f").write_bytes(pattern(100_000))
        url = self.cluster.url
        self.cluster.kill("httpd0")
        self.cluster.restart("httpd0")
        self.assertEqual(fetch(url + "/f").body, pattern(100_000))

    def test_live_viewer_over_http_does_not_notice_a_killed_primary(self):
        self.start_recording(follow=False)
        viewer = HttpFollower(self.cluster.url + PATH + "?live=1")
        self.addCleanup(viewer.close)
        self.cluster.kill(self.cluster.primary_of(PATH))
        self.wait_for_growth(1_500_000)
        self.cluster.up()
        written = self.finish(KILLED_MS)
        seen = viewer.result(60)
        self.assertEqual((seen["records"], seen["zeros"], seen["wrong"], seen["curl_exit_code"]), (written["records"], 0, 0, 0))

    def test_live_viewer_over_http_does_not_notice_a_primary_that_hangs(self):
        self.start_recording(follow=False)
        viewer = HttpFollower(self.cluster.url + PATH + "?live=1")
        self.addCleanup(viewer.close)
        primary = self.cluster.primary_of(PATH)
        self.cluster.stop(primary)
        self.wait_for_growth(1_500_000)
        self.cluster.cont(primary)
        written = self.finish(HUNG_MS)
        seen = viewer.result(60)
        self.assertEqual((seen["records"], seen["zeros"], seen["wrong"], seen["curl_exit_code"]), (written["records"], 0, 0, 0))

    def test_download_does_not_notice_a_killed_storage(self):
        data = pattern(1 << 20) * 100
        (self.cluster.mount / "movie").write_bytes(data)
        reader = subprocess.Popen(["curl", "-sSf", "--limit-rate", "40M", self.cluster.url + "/movie"], stdout=subprocess.PIPE)
        got = reader.stdout.read(10 << 20)
        self.cluster.kill(self.cluster.primary_of("/movie"))
        got += reader.stdout.read()
        self.assertEqual(reader.wait(60), 0)
        reader.stdout.close()
        self.assertTrue(got == data, f"{len(got)} bytes came, {len(data)} wanted")


class Mounts(FaultCase):
    storages = 2

    def test_killed_mount_leaves_a_recovered_recording_with_all_that_was_sent(self):
        self.start_recording(follow=False)
        time.sleep(0.5)  # more than max_lag: what was written before is sent
        size = (self.other / PATH[1:]).stat().st_size
        begin = time.monotonic()
        self.cluster.kill("mount0")
        self.stop_file.touch()
        written = self.recorder.result()
        self.cluster.wait_state(PATH, "recovered", 20)
        sealed_after = time.monotonic() - begin
        print(f"{self._testMethodName}: recovered after {sealed_after:.1f} s", flush=True)
        self.assertGreater(sealed_after, LEASE_S - 1, "sealed while its writer might have come back")
        checked = verify(self.other / PATH[1:])
        self.assertEqual(checked["bad"], 0)
        self.assertGreaterEqual(checked["records"] * 32768, size)
        self.assertGreaterEqual(checked["records"], written["synced"])
        # A record comes every 65 ms; one is sent within 50 ms (max_lag) and on the servers a round trip later.
        print(f"{self._testMethodName}: {written['records'] - checked['records']} records lost", flush=True)
        self.assertLessEqual(written["records"] - checked["records"], 2)
        self.assert_replicas_equal()

    def test_killed_mount_ends_live_streams_properly(self):
        self.start_recording(follow=False)
        viewer = HttpFollower(self.cluster.url + PATH + "?live=1")
        self.addCleanup(viewer.close)
        self.wait_for_growth(500_000)
        self.cluster.kill("mount0")
        self.recorder.close()
        seen = viewer.result(40)
        self.assertEqual((seen["curl_exit_code"], seen["zeros"], seen["wrong"]), (0, 0, 0))
        self.assert_sealed(state="recovered")
        kept = verify(self.other / PATH[1:])
        self.assertEqual((seen["records"], kept["bad"]), (kept["records"], 0))

    def test_killed_mount_does_not_disturb_another_mounts_recording(self):
        self.start_recording(follow=False)
        second = Recorder(self.other / "meeting/second.bin", seconds=6, fsync=500)
        self.addCleanup(second.close)
        self.cluster.kill("mount0")
        self.recorder.close()
        result = second.result()
        self.assertEqual(result["errors"], 0)
        self.assertLess(result["write"]["max_ms"], 500)
        self.assertEqual(verify(self.other / "meeting/second.bin", records=result["records"])["bad"], 0)

    def test_recorder_killed_while_the_store_hangs_dies_at_once(self):
        self.start_recording(follow=False)
        for name in self.cluster.storages():
            self.cluster.stop(name)
        time.sleep(1.5)  # until it waits in fsync
        begin = time.monotonic()
        self.recorder.process.send_signal(signal.SIGKILL)
        self.recorder.process.wait(10)
        self.assertLess(time.monotonic() - begin, 3)

    def test_umount_l_with_everything_dead_leaves_no_process_behind(self):
        (self.cluster.mount / "f").write_bytes(b"x")
        for name in [*self.cluster.storages(), "tracker0"]:
            self.cluster.kill(name)
        pid = self.cluster.pid("mount0")
        reader = subprocess.Popen(["cat", str(self.cluster.mount / "absent")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run(["umount", "-l", str(self.cluster.mount)], check=True, timeout=20)
        reader.kill()
        reader.wait(20)
        from vcfs_test.cluster import is_running
        wait_for(lambda: not is_running(pid), 60, "the mount's process to end")


if __name__ == "__main__":
    unittest.main()
