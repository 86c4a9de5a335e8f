"""mmap(2) and nothing else: Python's own module asks for the file's size first, which makes a kernel learn it."""
import ctypes
import mmap
import os

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.msync.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_MS_SYNC = 4


class Mapping:
    """Shared, from the file's beginning. What lies behind its end is SIGBUS."""

    def __init__(self, fd, length, writable=False):
        self.length = length
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        self.address = _libc.mmap(None, length, protection, mmap.MAP_SHARED, fd, 0)
        if self.address == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self.bytes = (ctypes.c_ubyte * length).from_address(self.address)

    def __getitem__(self, at):
        return self.bytes[at]

    def __setitem__(self, at, value):
        self.bytes[at] = value

    def sync(self):
        if _libc.msync(self.address, self.length, _MS_SYNC) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        _libc.munmap(self.address, self.length)
