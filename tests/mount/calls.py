"""Every system call that takes a path, as a table for the families of error tests.

Each entry: name → function(path). The last component of `path` need not exist.  CREATING calls make it, EXISTING ones need it,
REMOVING ones take it away. Calls with two paths appear once for each of them; the other one is a good file that the test
provides as `spare` (an existing file) or `fresh` (an absent name).
"""
import os
import stat

from vcfs_test import syscalls


def _open(flags, mode=0o644):
    def call(path):
        os.close(os.open(path, flags, mode))
    return call


CREATING = {
    "open_creat": _open(os.O_CREAT | os.O_WRONLY),
    "open_creat_excl": _open(os.O_CREAT | os.O_EXCL | os.O_WRONLY),
    "mkdir": lambda path: os.mkdir(path),
    "mkfifo": lambda path: os.mkfifo(path),
    "mknod_regular": lambda path: os.mknod(path, stat.S_IFREG | 0o644),
    "symlink": lambda path: os.symlink("target", path),
}

EXISTING = {
    "stat": os.stat,
    "access": lambda path: os.access(path, os.F_OK) or _raise_access(path),
    "open_rdonly": _open(os.O_RDONLY),
    "open_path": _open(os.O_PATH),
    "opendir": _open(os.O_RDONLY | os.O_DIRECTORY),
    "chmod": lambda path: os.chmod(path, 0o640),
    "chown": lambda path: os.chown(path, os.geteuid(), os.getegid()),
    "truncate": lambda path: os.truncate(path, 3),
    "utime": lambda path: os.utime(path, (1, 1)),
    "utimensat": lambda path: syscalls.utimensat(path, (1, 1), (1, 1)),
    "statvfs": os.statvfs,
    "getxattr": lambda path: os.getxattr(path, "user.x"),
    "setxattr": lambda path: os.setxattr(path, "user.x", b"1"),
    "listxattr": os.listxattr,
    "removexattr": lambda path: os.removexattr(path, "user.x"),
    "chdir": lambda path: _chdir_and_back(path),
}

NOT_FOLLOWING = {
    "lstat": os.lstat,
    "readlink": os.readlink,
    "lchown": os.lchown and (lambda path: os.lchown(path, os.geteuid(), os.getegid())),
}

REMOVING = {
    "unlink": os.unlink,
    "rmdir": os.rmdir,
}

# name → function(path, spare, fresh)
TWO_PATHS = {
    "rename_from": lambda path, spare, fresh: os.rename(path, fresh),
    "rename_to": lambda path, spare, fresh: os.rename(spare, path),
    "link_from": lambda path, spare, fresh: os.link(path, fresh),
    "link_to": lambda path, spare, fresh: os.link(spare, path),
    "renameat2_noreplace_to": lambda path, spare, fresh: syscalls.renameat2(spare, path, syscalls.RENAME_NOREPLACE),
}


def _raise_access(path):
    os.stat(path)
    raise PermissionError(13, "access", path)


def _chdir_and_back(path):
    back = os.open(".", os.O_RDONLY)
    try:
        os.chdir(path)
    finally:
        os.fchdir(back)
        os.close(back)


def single_path_calls():
    return {**CREATING, **EXISTING, **NOT_FOLLOWING, **REMOVING}
