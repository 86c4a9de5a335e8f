"""What a file may do when it is executed (setuid, setgid, file capabilities) does not outlive a change of its bytes or owner."""
import errno
import os
import stat
import struct
import unittest

from vcfs_test.expand import each, expand
from vcfs_test.identity import as_user
from vcfs_test.shared import StoreCase
from vcfs_test.syscalls import FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE, fallocate

ALICE, TEAM = 61001, 61100


def _opened(path, flags, function):
    fd = os.open(path, flags)
    try:
        function(fd)
    finally:
        os.close(fd)


def _allocate(mode):
    return lambda path: _opened(path, os.O_RDWR, lambda fd: fallocate(fd, mode, 4096, 4096))


CHANGES = [
    ("write", lambda p: _opened(p, os.O_RDWR, lambda fd: os.write(fd, b"new"))),
    ("append", lambda p: _opened(p, os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, b"new"))),
    ("truncate", lambda p: os.truncate(p, 100)),
    ("ftruncate", lambda p: _opened(p, os.O_RDWR, lambda fd: os.ftruncate(fd, 100))),
    ("open_trunc", lambda p: _opened(p, os.O_RDWR | os.O_TRUNC, lambda fd: None)),
    ("allocate", _allocate(0)),
    ("allocate_keep_size", _allocate(FALLOC_KEEP_SIZE)),
    ("punch", _allocate(FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE)),
    ("zero", _allocate(FALLOC_ZERO_RANGE)),
    ("copy_range", lambda p: _opened(p, os.O_RDWR, lambda fd: os.copy_file_range(fd, fd, 10, 0, 100))),
]

# mode before; after a change by somebody of the file's group; after one by somebody else
MODES = [(0o6666, 0o2666, 0o666), (0o6676, 0o676, 0o676), (0o4777, 0o777, 0o777), (0o2766, 0o2766, 0o766)]


@expand
class SetIdBits(StoreCase):
    def setUp(self):
        super().setUp()
        os.chmod(self.dir, 0o777)

    def file(self, mode):
        path = self.make("f", b"x" * 10_000)
        os.chown(path, 0, TEAM)
        os.chmod(path, mode)
        return path

    @each([(f"{name}_{oct(before)}", call, before, ours, others) for name, call in CHANGES for before, ours, others in MODES])
    def test_end_with(self, call, before, ours, others):
        for groups, after in (((TEAM,), ours), ((), others)):
            path = self.file(before)
            as_user(ALICE, call, path, groups=groups)
            self.assertEqual(oct(stat.S_IMODE(os.stat(path).st_mode)), oct(after), f"groups {groups}")
            os.unlink(path)

    @each(CHANGES)
    def test_root_keeps_them_with(self, call):
        path = self.file(0o6777)
        call(path)
        self.assertEqual(oct(stat.S_IMODE(os.stat(path).st_mode)), oct(0o6777))

    @each([("regular", stat.S_IFREG), ("fifo", stat.S_IFIFO), ("socket", stat.S_IFSOCK), ("block", stat.S_IFBLK), ("char", stat.S_IFCHR)])
    def test_end_with_a_change_of_owner_of_a(self, kind):
        path = self.path("n")
        os.mknod(path, kind | 0o600, os.makedev(1, 3))
        for call in (lambda: as_user(ALICE, os.chown, path, -1, TEAM, groups=(TEAM,)), lambda: os.chown(path, 5, 6)):
            os.chown(path, ALICE, ALICE)
            os.chmod(path, 0o6555)
            call()
            self.assertEqual(oct(stat.S_IMODE(os.stat(path).st_mode)), oct(0o555))

    def test_directories_keep_them(self):
        os.mkdir(self.path("d"))
        os.chown(self.path("d"), ALICE, ALICE)
        os.chmod(self.path("d"), 0o6755)
        as_user(ALICE, os.chown, self.path("d"), -1, TEAM, groups=(TEAM,))
        self.assertEqual(oct(stat.S_IMODE(os.stat(self.path("d")).st_mode)), oct(0o6755))

    def test_a_stranger_does_not_take_them_by_changing_the_owner_to_nobody(self):
        path = self.file(0o6755)
        try:
            as_user(ALICE, os.chown, path, -1, -1)
        except PermissionError:
            pass  # as most local filesystems say here
        self.assertEqual(oct(stat.S_IMODE(os.stat(path).st_mode)), oct(0o6755))


@expand
class Capabilities(StoreCase):
    VALUE = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)

    @each([*[(name, call) for name, call in CHANGES if name != "open_trunc"], ("chown", lambda p: os.chown(p, 1, 1))])
    def test_end_with(self, call):
        path = self.make("f", b"x" * 10_000)
        os.setxattr(path, "security.capability", self.VALUE)
        self.assertEqual(os.getxattr(path, "security.capability"), self.VALUE)
        call(path)
        self.assertErrno(errno.ENODATA, os.getxattr, path, "security.capability")

    def test_stay_when_the_file_is_only_opened(self):
        path = self.make("f", b"x")
        os.setxattr(path, "security.capability", self.VALUE)
        _opened(path, os.O_RDWR, lambda fd: os.read(fd, 1))
        os.chmod(path, 0o711)
        self.assertEqual(os.getxattr(path, "security.capability"), self.VALUE)

    def test_given_to_a_file_that_is_open_end_with_its_next_write(self):
        path = self.make("f", b"x")
        fd = os.open(path, os.O_RDWR)
        self.addCleanup(os.close, fd)
        os.write(fd, b"a")
        os.setxattr(path, "security.capability", self.VALUE)
        os.write(fd, b"b")
        self.assertErrno(errno.ENODATA, os.getxattr, path, "security.capability")


if __name__ == "__main__":
    unittest.main()
