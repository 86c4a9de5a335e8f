"""An automount of the kernel's, run as systemd runs it: who looks at the place waits until the daemon has mounted there, and only the
daemon's process group gets through."""
import ctypes
import fcntl
import os
import struct
import subprocess
import threading

_libc = ctypes.CDLL(None, use_errno=True)
_READY, _CATATONIC = 0x9360, 0x9362  # AUTOFS_IOC_*
_HEAD = struct.Struct("iiI")  # of struct autofs_v5_packet: version, type, wait queue token
_PACKET_BYTES = 304


class Automount:
    """Mounts itself at `point`, and runs `program` once when somebody looks at it. Use it as a context."""

    def __init__(self, point, program, limit):
        self.point, self.program, self.limit = str(point), program, limit
        self.result = None  # of the program, when it ran

    def __enter__(self):
        self._read, self._write = os.pipe()
        options = f"fd={self._write},pgrp={os.getpgrp()},minproto=5,maxproto=5,direct".encode()
        if _libc.mount(b"test", self.point.encode(), b"autofs", 0, options) != 0:
            raise OSError(ctypes.get_errno(), "mount -t autofs")
        self._root = os.open(self.point, os.O_RDONLY | os.O_DIRECTORY)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def _serve(self):
        packet = os.read(self._read, _PACKET_BYTES)
        if len(packet) < _HEAD.size:
            return
        try:
            self.result = subprocess.run(self.program, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                         timeout=self.limit, check=False)
        except subprocess.TimeoutExpired as error:
            self.result = error
            fcntl.ioctl(self._root, _CATATONIC, 0)
            return
        fcntl.ioctl(self._root, _READY, _HEAD.unpack_from(packet)[2])

    def __exit__(self, *_):
        try:
            fcntl.ioctl(self._root, _CATATONIC, 0)  # nobody waits any more
        except OSError:
            pass
        os.close(self._root)
        os.close(self._write)
        self._thread.join()
        os.close(self._read)
        while os.path.ismount(self.point):
            subprocess.run(["umount", "-l", self.point], check=True)
