"""System calls that Python's os module lacks. Errors are OSErrors."""
import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)

AT_FDCWD = -100
RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_COLLAPSE_RANGE, FALLOC_ZERO_RANGE = 1, 2, 8, 16
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2


class _Timespec(ctypes.Structure):
    _fields_ = [("sec", ctypes.c_long), ("nsec", ctypes.c_long)]


def _check(result):
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def renameat2(source, target, flags):
    return _check(_libc.renameat2(AT_FDCWD, os.fsencode(source), AT_FDCWD, os.fsencode(target), ctypes.c_uint(flags)))


def fallocate(fd, mode, offset, length):
    return _check(_libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)))


def utimensat(path, atime, mtime, follow=True):
    """atime, mtime: (seconds, nanoseconds), where nanoseconds may be UTIME_NOW or UTIME_OMIT."""
    times = (_Timespec * 2)(_Timespec(*atime), _Timespec(*mtime))
    return _check(_libc.utimensat(AT_FDCWD, os.fsencode(path), times, 0 if follow else 0x100))


def linkat_fd(fd, target):
    """Gives an O_TMPFILE descriptor a name."""
    return _check(_libc.linkat(AT_FDCWD, f"/proc/self/fd/{fd}".encode(), AT_FDCWD, os.fsencode(target), 0x400))


def msync(address, length, flags=4):
    return _check(_libc.msync(ctypes.c_void_p(address), ctypes.c_size_t(length), flags))


def syncfs(fd):
    return _check(_libc.syncfs(fd))


class _FileHandle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("handle", ctypes.c_ubyte * 128)]


def name_to_handle(path):
    handle, mount = _FileHandle(bytes=128), ctypes.c_int()
    _check(_libc.name_to_handle_at(AT_FDCWD, os.fsencode(path), ctypes.byref(handle), ctypes.byref(mount), 0))
    return handle


def open_by_handle(mount_fd, handle, flags):
    return _check(_libc.open_by_handle_at(mount_fd, ctypes.byref(handle), flags))
