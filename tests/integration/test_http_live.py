"""Recordings in progress over HTTP, players, and nginx in front."""
import os
import shutil
import subprocess
import unittest

from vcfs_test import media, shared
from vcfs_test.files import pattern
from vcfs_test.http import Connection, fetch
from vcfs_test.ports import PortRange
from vcfs_test.records import HttpFollower, Recorder
from vcfs_test.wait import wait_for


class LiveCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = shared.cluster()
        cls.url = cls.cluster.url
        cls.folder = cls.cluster.mount / "live"
        cls.folder.mkdir(exist_ok=True)


class GrowingFiles(LiveCase):
    def test_plain_get_is_a_snapshot_with_a_true_length(self):
        path = self.folder / "snapshot"
        with open(path, "wb", buffering=0) as f:
            for i in range(1, 20):
                f.write(pattern(50_000, key=i))
                if i % 5 == 0:
                    os.fsync(f.fileno())
                    r = fetch(self.url + "/live/snapshot")
                    self.assertEqual(r.status, 200)
                    self.assertEqual(len(r.body), int(r.headers["content-length"]))
                    self.assertEqual(r.body, b"".join(pattern(50_000, key=k) for k in range(1, i + 1)))

    def test_head_of_a_growing_file_grows(self):
        sizes = []
        with open(self.folder / "growing", "wb", buffering=0) as f:
            for _ in range(5):
                f.write(b"x" * 100_000)
                os.fsync(f.fileno())
                sizes.append(int(fetch(self.url + "/live/growing", "HEAD").headers["content-length"]))
        self.assertEqual(sizes, [100_000 * i for i in range(1, 6)])

    def test_live_follows_and_ends_when_the_file_is_closed(self):
        recorder = Recorder(self.folder / "follow", seconds=5)
        self.addCleanup(recorder.close)
        follower = HttpFollower(self.url + "/live/follow?live=1")
        self.addCleanup(follower.close)
        written, seen = recorder.result(), follower.result(30)
        self.assertEqual((seen["records"], seen["zeros"], seen["wrong"], seen["partial"]), (written["records"], 0, 0, 0))
        self.assertEqual(seen["curl_exit_code"], 0)
        self.assertLess(seen["age"]["p99_ms"], 100)

    def test_ten_live_followers(self):
        recorder = Recorder(self.folder / "ten", seconds=5)
        self.addCleanup(recorder.close)
        followers = [HttpFollower(self.url + "/live/ten?live=1") for _ in range(10)]
        for f in followers:
            self.addCleanup(f.close)
        written = recorder.result()
        self.assertEqual({f.result(30)["records"] for f in followers}, {written["records"]})

    def test_live_of_a_file_without_bytes_yet(self):
        with open(self.folder / "later", "wb", buffering=0) as f:
            follower = HttpFollower(self.url + "/live/later?live=1")
            self.addCleanup(follower.close)
            with Connection(self.url) as c:
                c.send(b"GET /live/later?live=1 HTTP/1.1\r\nHost: x\r\n\r\n")
                c.socket.settimeout(5)
                self.assertIn(b"200", c.socket.recv(100))
            f.write(b"")
        self.assertEqual(follower.result(20)["records"], 0)

    def test_live_of_a_finished_file_is_the_whole_file(self):
        (self.folder / "done").write_bytes(pattern(300_000))
        self.assertEqual(fetch(self.url + "/live/done?live=1").body, pattern(300_000))

    def test_a_live_viewer_that_leaves_does_not_disturb_the_recorder(self):
        recorder = Recorder(self.folder / "left", seconds=3)
        self.addCleanup(recorder.close)
        for _ in range(10):
            with Connection(self.url) as c:
                c.send(b"GET /live/left?live=1 HTTP/1.1\r\nHost: x\r\n\r\n")
                c.socket.recv(100)
        result = recorder.result()
        self.assertEqual(result["errors"], 0)
        self.assertLess(result["write"]["max_ms"], 500)

    def test_the_tag_is_stable_once_closed(self):
        path = self.folder / "tag"
        with open(path, "wb", buffering=0) as f:
            f.write(b"1")
            os.fsync(f.fileno())
            during = fetch(self.url + "/live/tag", "HEAD").headers.get("etag")
            f.write(b"2")
        after = {fetch(self.url + "/live/tag", "HEAD").headers["etag"] for _ in range(3)}
        self.assertEqual(len(after), 1)
        self.assertNotIn(during, after)


class Players(LiveCase):
    def setUp(self):
        self.clip = media.clip(10)
        if not (self.folder / "clip.mp4").exists():
            shutil.copy(self.clip, self.folder / "clip.mp4")
        self.clip_url = self.url + "/live/clip.mp4"

    def test_ffprobe_reads_the_index_at_the_end(self):
        line = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", self.clip_url]
        r = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertAlmostEqual(float(r.stdout), 10, delta=0.3)

    def test_ffmpeg_decodes_everything(self):
        self.assertEqual(media.decode_errors(self.clip_url), "")

    def test_ffmpeg_seeks(self):
        r = media.run_ffmpeg("-ss", 7, "-i", self.clip_url, "-frames:v", 1, "-f", "null", "-")
        self.assertEqual((r.returncode, r.stderr), (0, ""))

    @unittest.skipUnless(shutil.which("mpv"), "mpv is not installed")
    def test_mpv_plays(self):
        line = ["mpv", "--no-config", "--vo=null", "--ao=null", "--untimed", "--no-terminal", "--length=3", self.clip_url]
        r = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)

    def test_a_player_follows_a_recording_in_progress(self):
        target = self.folder / "live.ts"
        line = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-re", "-i", str(self.clip), "-t", "6", "-c", "copy", "-f", "mpegts",
                str(target)]
        recorder = subprocess.Popen(line, stderr=subprocess.PIPE)
        self.addCleanup(recorder.communicate)
        wait_for(lambda: target.exists() and target.stat().st_size > 10_000, 20, "the recording to begin")
        r = media.run_ffmpeg("-i", self.url + "/live/live.ts?live=1", "-c", "copy", "-f", "mpegts", self.cluster.scratch.path / "seen.ts")
        self.assertEqual(recorder.wait(30), 0)
        self.assertEqual(r.returncode, 0, r.stderr)
        probe = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0",
                                str(self.cluster.scratch.path / "seen.ts")], capture_output=True, text=True, check=True, timeout=60)
        self.assertGreater(float(probe.stdout), 5.5)


@unittest.skipUnless(shutil.which("nginx"), "nginx is not installed")
class BehindNginx(LiveCase):
    CONFIG = """
daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx-error.log; user root; worker_processes 1;
events {{ worker_connections 256; }}
http {{ access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u;
  scgi_temp_path {dir}/s;
  server {{ listen 127.0.0.1:{port};
    location / {{ proxy_pass {backend}; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }} }} }}
"""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.cluster.scratch.path / "nginx"
        folder.mkdir(exist_ok=True)
        ports = PortRange()
        cls.addClassCleanup(ports.release)
        cls.front = f"http://127.0.0.1:{ports.base}"
        (folder / "nginx.conf").write_text(cls.CONFIG.format(dir=folder, port=ports.base, backend=cls.url))
        server = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
        cls.addClassCleanup(lambda: (server.terminate(), server.wait(20)))
        (cls.folder / "proxied").write_bytes(pattern(1_000_000))
        wait_for(lambda: fetch(cls.front + "/live/proxied").status == 200, 10, "nginx")

    def test_whole_and_ranges(self):
        self.assertEqual(fetch(self.front + "/live/proxied").body, pattern(1_000_000))
        r = fetch(self.front + "/live/proxied", Range="bytes=500000-500009")
        self.assertEqual((r.status, r.body), (206, pattern(1_000_000)[500_000:500_010]))

    def test_conditions_pass_through(self):
        etag = fetch(self.front + "/live/proxied", "HEAD").headers["etag"]
        self.assertEqual(fetch(self.front + "/live/proxied", If_None_Match=etag).status, 304)

    def test_live_passes_through(self):
        recorder = Recorder(self.folder / "proxied-live", seconds=3)
        self.addCleanup(recorder.close)
        follower = HttpFollower(self.front + "/live/proxied-live?live=1")
        self.addCleanup(follower.close)
        written, seen = recorder.result(), follower.result(30)
        self.assertEqual((seen["records"], seen["wrong"] + seen["zeros"]), (written["records"], 0))
        self.assertLess(seen["age"]["p99_ms"], 150)


if __name__ == "__main__":
    unittest.main()
