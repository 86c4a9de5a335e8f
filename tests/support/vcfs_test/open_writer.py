"""A writer whose file stays open across what a test does to the servers."""
import subprocess
import sys


class Writer:
    """A program that keeps a file open. One of its own: a descriptor of this one is closed in every child, and flushed with that."""

    PROGRAM = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for line in sys.stdin:
    what, offset, data = line.split(" ")
    try:
        os.fsync(fd) if what == "sync" else os.pwrite(fd, bytes.fromhex(data), int(offset))
        print(0, flush=True)
    except OSError as e:
        print(e.errno, flush=True)
"""

    def __init__(self, path):
        self._process = subprocess.Popen([sys.executable, "-c", self.PROGRAM, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True)

    def _call(self, what, offset=0, data=b""):
        self._process.stdin.write(f"{what} {offset} {data.hex()}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def write(self, data, offset):
        """The error's number; 0: it succeeded."""
        return self._call("write", offset, data)

    def sync(self):
        return self._call("sync")

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()
