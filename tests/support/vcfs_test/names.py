"""A load of names beside a test: files and directories are made, renamed, looked at and removed, every call is timed.

Run as `names.py DIRECTORY STOP_FILE PAUSE_MS PREFIX` it works until STOP_FILE exists and prints what it measured.
"""
import json
import os
import subprocess
import sys
import time


class NamesLoad:
    """One process that works in `directory` (made) until result() is called. `prefix`: of its names, when others work there."""

    def __init__(self, directory, stop_file, pause_ms=5, prefix=""):
        self._stop_file = stop_file
        os.makedirs(directory, exist_ok=True)
        line = [sys.executable, os.path.abspath(__file__), str(directory), str(stop_file), str(pause_ms), prefix]
        self.process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)

    def result(self, timeout=60):
        """{"operations", "errors": […], "longest_ms", "longest_call", "p50_ms"}"""
        open(self._stop_file, "w").close()
        return json.loads(self.process.communicate(timeout=timeout)[0])

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Work:
    def __init__(self, directory, prefix):
        self.directory, self.prefix = directory, prefix
        self.times, self.errors, self.longest = [], [], (0, "none", 0)
        self.start = time.monotonic()

    def call(self, function, *arguments, **options):
        begin = time.monotonic()
        try:
            return function(*arguments, **options)
        except OSError as e:
            self.errors.append(f"{function.__name__} {arguments[:2]}: {e} after {time.monotonic() - begin:.2f} s")
            return None
        finally:
            took = (time.monotonic() - begin) * 1000
            self.times.append(took)
            self.longest = max(self.longest, (took, function.__name__, begin - self.start))

    def round(self, number):
        """A name's life; whatever is made is removed, so that what is left tells what was lost."""
        first, second, folder = (os.path.join(self.directory, f"{self.prefix}{kind}{number}") for kind in ("new", "moved", "folder"))
        fd = self.call(os.open, first, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        if fd is not None:
            self.call(os.close, fd)
        self.call(os.rename, first, second)
        self.call(os.stat, second)
        self.call(os.mkdir, folder)
        self.call(os.listdir, folder)
        self.call(os.rmdir, folder)
        self.call(os.unlink, second)

    def report(self):
        self.times.sort()
        longest_ms, call, at = self.longest
        return {"operations": len(self.times), "errors": self.errors[:20], "longest_ms": longest_ms, "longest_call": call,
                "longest_at_s": at, "p50_ms": self.times[len(self.times) // 2]}


def main():
    directory, stop_file, pause_ms, prefix = sys.argv[1:5]
    work = Work(directory, prefix)
    number = 0
    while not os.path.exists(stop_file):
        work.round(number)
        number += 1
        time.sleep(float(pause_ms) / 1000)
    print(json.dumps(work.report()))


if __name__ == "__main__":
    main()
