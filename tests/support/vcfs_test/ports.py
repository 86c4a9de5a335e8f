"""Port ranges for clusters of parallel test runs: each base is locked by a file while it is used."""
import fcntl
import os
import socket

STEP = 200
FIRST, LAST = 22000, 32000  # below the kernel's ephemeral ports
USED_OFFSETS = tuple(range(0, 5)) + tuple(range(10, 14)) + tuple(range(80, 84)) + tuple(range(100, 110))
LOCKS = "/tmp/vcfs-test-ports"


class PortRange:
    """base … base+199 of 127.0.0.1, ours until release()."""

    def __init__(self):
        os.makedirs(LOCKS, exist_ok=True)
        start = FIRST + (os.getpid() * STEP) % (LAST - FIRST)
        for i in range((LAST - FIRST) // STEP):
            base = FIRST + (start - FIRST + i * STEP) % (LAST - FIRST)
            self._lock = os.open(f"{LOCKS}/{base}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(self._lock)
                continue
            if all(port_is_free(base + offset) for offset in USED_OFFSETS):
                self.base = base
                return
            os.close(self._lock)
        raise RuntimeError(f"no free range of ports between {FIRST} and {LAST}")

    def release(self):
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def port_is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False
