"""Test clips, made once per build tree with ffmpeg."""
import os
import subprocess

from . import env


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
