"""Keeps the free memory of a virtual machine in its hands while others are measured.

A host that takes free memory back gives it out again slowly, page by page, and then a filesystem that fills the page cache
measures the host. This process takes all free memory but a little, touches it, and returns it in small pieces as fast as
others need it: what they get is memory that the machine owns, and as on a server that has run for a while there is little of it.
"""
import contextlib
import mmap
import os
import select
import subprocess
import sys

PIECE = 32 << 20
LOW = 260 << 20    # less free memory than that: give back
HIGH = 360 << 20   # taken down to that
TICK = 0.008
GRAB_LIMIT = 180   # seconds; 24 GiB at 0.3 GB/s are 80


class Holder:
    def __init__(self):
        self._child = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def grab(self):
        """Returns when there is hardly any memory left that nobody has; True if so in time. After a failure it always fails."""
        try:
            self._child.stdin.write(b"g")
            self._child.stdin.flush()
            ready, _, _ = select.select([self._child.stdout], [], [], GRAB_LIMIT)
            if ready:
                return self._child.stdout.read(1) == b"g"
            self._child.kill()  # what it has is worth more to others than a late answer
        except BrokenPipeError:  # the kernel ended it: memory was short
            pass
        return False

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()
        self._child.wait(timeout=30)
        self._child.stdout.close()


def _free():
    with open("/proc/meminfo") as f:
        for line in f:
            if line.startswith("MemFree:"):
                return int(line.split()[1]) << 10
    return 0


def _priority(policy, priority):
    try:
        os.sched_setscheduler(0, policy, os.sched_param(priority))
    except PermissionError:
        pass  # then giving back may wait for a processor


def _take(pieces, content):
    _priority(os.SCHED_OTHER, 0)
    while _free() > HIGH:
        piece = mmap.mmap(-1, PIECE)
        piece.madvise(mmap.MADV_HUGEPAGE)
        piece[:] = content
        pieces.append(piece)
    _priority(os.SCHED_FIFO, 1)


def _hold():
    with open("/proc/self/oom_score_adj", "w") as f:
        f.write("1000")
    content = b"\1" * PIECE
    pieces = []
    _priority(os.SCHED_FIFO, 1)
    while True:
        asked, _, _ = select.select([0], [], [], TICK)
        if asked:
            if not os.read(0, 1):
                return
            _take(pieces, content)
            os.write(1, b"g")
        while pieces and _free() < LOW:
            pieces.pop().close()


if __name__ == "__main__":
    _hold()
