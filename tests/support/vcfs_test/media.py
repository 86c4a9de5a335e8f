"""Test clips, made once per build tree with ffmpeg."""
import os
import subprocess

from . import env


COPY = ("-c", "copy")
EXACT = ("-fflags", "+bitexact", "-flags", "+bitexact", "-map_metadata", "-1")  # equal input makes equal files


def run_ffmpeg(*arguments, timeout=180, stdin=None):
    line = ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=timeout, check=False, stdin=stdin)


def clip(seconds=20, kilobits=2000):
    """Path of an mp4 with H.264 and AAC, about kilobits/8 kB per second."""
    path = env.CACHE / f"clip-{seconds}s-{kilobits}k.mp4"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.mp4")
        result = run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=640x360:r=25", "-f", "lavfi", "-i", "sine=f=440:r=48000", "-t", seconds,
                            "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-b:v", f"{kilobits}k", "-minrate",
                            f"{kilobits}k", "-maxrate", f"{kilobits}k", "-bufsize", f"{kilobits}k",
                            "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "96k", partial)
        if result.returncode != 0:
            raise AssertionError(f"ffmpeg cannot make the clip: {result.stderr}")
        os.rename(partial, path)
    return path


class FfmpegRecorder:
    """ffmpeg recording a clip at the pace at which it plays, as a conference recorder does, or as fast as it can. `options`: of the
    container. After 20 s the clip is repeated."""

    def __init__(self, target, options=(), seconds=10, real_time=True):
        self.target = os.path.realpath(target)
        self._source = ["-stream_loop", "-1", "-i", str(clip(20)), "-t", str(seconds), *COPY, *EXACT, *options]
        line = ["ffmpeg", "-nostdin", "-loglevel", "warning", *(["-re"] if real_time else []), *self._source, self.target]
        self._process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def descriptors(self):
        """How many of its file it has."""
        folder = f"/proc/{self._process.pid}/fd"
        return [os.readlink(f"{folder}/{name}") for name in os.listdir(folder)].count(self.target)

    def running(self):
        return self._process.poll() is None

    def result(self, timeout=60):
        """(exit code, all that it said)"""
        said, _ = self._process.communicate(timeout=timeout)
        return self._process.returncode, said

    def make_expected(self, path):
        """The file as it would be on a local disk."""
        result = run_ffmpeg(*self._source, path)
        if result.returncode != 0:
            raise AssertionError(f"ffmpeg cannot record on a local disk: {result.stderr}")

    def close(self):
        if self.running():
            self._process.kill()
        self._process.communicate()


def video_packets(path):
    """How many ffprobe finds."""
    line = ["ffprobe", "-v", "error", "-count_packets", "-select_streams", "v", "-show_entries", "stream=nb_read_packets",
            "-of", "csv=p=0", str(path)]
    result = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60)
    return int(result.stdout.split()[0].rstrip(","))


def decode_errors(path):
    """What ffmpeg complains about when it decodes everything; empty when the file is sound."""
    result = run_ffmpeg("-xerror", "-i", path, "-f", "null", "-")
    return result.stderr if result.returncode == 0 else result.stderr or f"exit code {result.returncode}"


def frame_checksums(path):
    """One checksum over all decoded frames: equal for files that play the same."""
    result = run_ffmpeg("-i", path, "-f", "hash", "-hash", "sha256", "-")
    if result.returncode != 0:
        raise AssertionError(f"cannot decode {path}: {result.stderr}")
    return result.stdout.strip()
