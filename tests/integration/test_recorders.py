"""Real recorders on the store: what they write is bit for bit what they write on a local disk, and plays.

VCFS_TEST_SECONDS sets how long the 20 recorders of the load test record (60 in the full run).
"""
import os
import shutil
import subprocess
import tempfile
import unittest

from vcfs_test import env, media, shared
from vcfs_test.expand import each, expand
from vcfs_test.files import sha256
from vcfs_test.media import COPY, EXACT
from vcfs_test.shared import StoreCase

FFMPEG = [
    # name, output file, arguments
    ("mp4", "out.mp4", COPY),
    ("mp4_faststart", "out.mp4", (*COPY, "-movflags", "+faststart")),
    ("mp4_fragmented", "out.mp4", (*COPY, "-movflags", "+frag_keyframe+empty_moov+default_base_moof")),
    ("mp4_hybrid", "out.mp4", (*COPY, "-movflags", "+frag_keyframe", "-frag_duration", "1000000")),
    ("mov", "out.mov", COPY),
    ("mkv", "out.mkv", COPY),
    ("mkv_cues_at_the_front", "out.mkv", (*COPY, "-reserve_index_space", "50000")),
    ("mpegts", "out.ts", COPY),
    ("flv", "out.flv", COPY),
    ("wav", "out.wav", ("-vn", "-c:a", "pcm_s16le")),
    ("flac", "out.flac", ("-vn", "-c:a", "flac")),
    ("ogg", "out.ogg", ("-vn", "-c:a", "flac", "-f", "ogg")),
    ("avi", "out.avi", COPY),
    ("hls_temp_file", "out.m3u8", (*COPY, "-f", "hls", "-hls_time", "2", "-hls_list_size", "0", "-hls_flags", "temp_file")),
    ("hls_deleting_old_segments", "out.m3u8", (*COPY, "-f", "hls", "-hls_time", "2", "-hls_list_size", "3", "-hls_flags",
                                               "temp_file+delete_segments")),
    ("hls_single_file", "out.m3u8", (*COPY, "-f", "hls", "-hls_time", "2", "-hls_list_size", "0", "-hls_flags", "single_file")),
    ("dash", "out.mpd", (*COPY, "-f", "dash", "-seg_duration", "2")),
    ("segments", "out%03d.mkv", (*COPY, "-f", "segment", "-segment_time", "3", "-reset_timestamps", "1")),
]


def contents(folder):
    return {name: sha256(os.path.join(folder, name)) for name in sorted(os.listdir(folder))}


def main_file(folder, name):
    return os.path.join(folder, name.replace("%03d", "000"))


@expand
class Ffmpeg(StoreCase):
    def record(self, folder, output, arguments, *before):
        # The working directory is the target, so that relative names in playlists are equal.
        line = ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *before, "-i", str(media.clip(20)), *EXACT, *arguments,
                *EXACT, output]
        r = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=110, check=False)
        self.assertEqual((r.returncode, r.stderr), (0, ""), " ".join(line))

    @each(FFMPEG)
    def test_bit_identical(self, output, arguments):
        self.record(self.local, output, arguments)
        self.record(self.dir, output, arguments)
        self.assertEqual(contents(self.dir), contents(self.local))
        self.assertEqual(media.decode_errors(main_file(self.dir, output)), "")

    def test_in_real_time(self):
        self.record(self.local, "out.mkv", COPY)
        self.record(self.dir, "out.mkv", COPY, "-re", "-t", "20") if env.seconds(5) >= 20 else \
            self.record(self.dir, "out.mkv", COPY, "-readrate", "4")
        self.assertEqual(contents(self.dir), contents(self.local))

    def test_encoding_while_recording(self):
        for folder in (self.local, self.dir):
            line = ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=4", *EXACT, "-threads", "1", "-c:v", "libx264", "-preset",
                    "ultrafast", os.path.join(folder, "out.mp4")]
            self.assertEqual(media.run_ffmpeg(*line).stderr, "")
        self.assertEqual(contents(self.dir), contents(self.local))

    def test_remuxing_from_the_store_to_the_store(self):
        shutil.copy(media.clip(20), self.path("in.mp4"))
        for folder in (self.local, self.dir):
            r = media.run_ffmpeg("-i", self.path("in.mp4"), *EXACT, *COPY, os.path.join(folder, "out.mkv"))
            self.assertEqual(r.stderr, "")
        self.assertEqual(sha256(self.path("out.mkv")), sha256(os.path.join(self.local, "out.mkv")))

    def test_killed_ffmpeg_leaves_a_playable_fragmented_file(self):
        import signal
        import time
        target = self.path("killed.mp4")
        line = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-re", "-i", str(media.clip(20)), *COPY, "-movflags",
                "+frag_keyframe+empty_moov+default_base_moof", target]
        recorder = subprocess.Popen(line)
        from vcfs_test.wait import wait_for
        wait_for(lambda: os.path.exists(target) and os.path.getsize(target) > 500_000, 30, "half a megabyte")
        begin = time.monotonic()
        recorder.send_signal(signal.SIGKILL)
        recorder.wait()
        self.assertLess(time.monotonic() - begin, 3)
        r = media.run_ffmpeg("-i", target, "-f", "null", "-")
        self.assertEqual(r.returncode, 0)


@unittest.skipUnless(shutil.which("gst-launch-1.0"), "GStreamer is not installed")
@expand
class Gstreamer(StoreCase):
    def record(self, target, pipeline):
        line = ["gst-launch-1.0", "-q", "filesrc", f"location={media.clip(20)}", "!", *pipeline.split(), "!", "filesink", f"location={target}"]
        r = subprocess.run(line, capture_output=True, text=True, timeout=110, check=False)
        self.assertEqual(r.returncode, 0, r.stderr)

    def test_filesink_is_bit_identical(self):
        self.record(self.path("copy"), "queue")
        self.assertEqual(sha256(self.path("copy")), sha256(media.clip(20)))

    @each([("mp4mux", "mp4", "qtdemux ! video/x-h264 ! h264parse ! queue ! mp4mux"),
           ("mp4mux_faststart", "mp4", "qtdemux ! video/x-h264 ! h264parse ! queue ! mp4mux faststart=true"),
           ("mp4mux_fragmented", "mp4", "qtdemux ! video/x-h264 ! h264parse ! queue ! mp4mux fragment-duration=1000"),
           ("matroskamux", "mkv", "qtdemux ! video/x-h264 ! h264parse ! queue ! matroskamux")])
    def test_plays_the_same(self, extension, pipeline):
        """Muxers stamp the time of day, so decoded frames and sizes are compared."""
        ours, theirs = self.path("out." + extension), os.path.join(self.local, "out." + extension)
        self.record(ours, pipeline)
        self.record(theirs, pipeline)
        self.assertEqual(os.path.getsize(ours), os.path.getsize(theirs))
        self.assertEqual(media.frame_checksums(ours), media.frame_checksums(theirs))


class ManyRecorders(StoreCase):
    time_limit = 300

    def test_20_recorders_at_once(self):
        seconds = env.seconds(10)
        clip = media.clip(60 if seconds > 20 else 20)
        formats = ("mkv", "ts", "mp4", "flv")
        recorders = []
        for i in range(20):
            target = self.path(f"r{i}.{formats[i % 4]}")
            line = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-re", "-i", str(clip), "-t", str(seconds), *EXACT, *COPY, *EXACT, target]
            recorders.append((target, subprocess.Popen(line, stderr=subprocess.PIPE, text=True)))
        for _, process in recorders:
            _, err = process.communicate(timeout=seconds + 90)
            self.assertEqual((process.returncode, err), (0, ""))
        local = tempfile.mkdtemp(dir=shared.scratch())
        for extension in formats:
            expected = os.path.join(local, f"x.{extension}")
            self.assertEqual(media.run_ffmpeg("-i", clip, "-t", seconds, *EXACT, *COPY, *EXACT, expected).stderr, "")
            for target in [t for t, _ in recorders if t.endswith("." + extension)]:
                self.assertEqual(sha256(target), sha256(expected), target)
        if not env.TEST_DIR:
            for target, _ in recorders:
                replicas = shared.cluster().replica_paths(self.store_path(target))
                self.assertEqual(len(replicas), 2)
                self.assertEqual({sha256(p) for p in replicas}, {sha256(target)})


if __name__ == "__main__":
    unittest.main()
