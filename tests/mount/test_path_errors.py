"""Errors about paths: the same for every system call that takes one."""
import errno
import os
import unittest

import calls
from vcfs_test.expand import each, expand
from vcfs_test.identity import as_user
from vcfs_test.shared import StoreCase

ALL = [(name, name) for name in [*calls.single_path_calls(), *calls.TWO_PATHS]]
CREATING = [(name, name) for name in [*calls.CREATING, "rename_to", "link_to"]]
NEEDING = [(name, name) for name in [*calls.EXISTING, *calls.NOT_FOLLOWING, *calls.REMOVING, "rename_from", "link_from"]]


class PathCase(StoreCase):
    def setUp(self):
        super().setUp()
        self.spare = self.make("spare", b"spare")
        self.fresh = self.path("fresh")

    def call(self, name, path):
        if name in calls.TWO_PATHS:
            return calls.TWO_PATHS[name](path, self.spare, self.fresh)
        return calls.single_path_calls()[name](path)


@expand
class PathErrors(PathCase):
    @each(ALL)
    def test_missing_directory_is_ENOENT(self, name):
        self.assertErrno(errno.ENOENT, self.call, name, self.path("absent", "x"))

    @each(ALL)
    def test_file_as_directory_is_ENOTDIR(self, name):
        self.make("file")
        self.assertErrno(errno.ENOTDIR, self.call, name, self.path("file", "x"))

    @each(ALL)
    def test_name_of_256_bytes_is_ENAMETOOLONG(self, name):
        self.assertErrno(errno.ENAMETOOLONG, self.call, name, self.path("n" * 256))

    @each(ALL)
    def test_directory_name_of_256_bytes_is_ENAMETOOLONG(self, name):
        self.assertErrno(errno.ENAMETOOLONG, self.call, name, self.path("n" * 256, "x"))

    @each(ALL)
    def test_path_of_4096_bytes_is_ENAMETOOLONG(self, name):
        path = self.dir + "/." * ((4096 - len(self.dir)) // 2) + "/x"
        self.assertErrno(errno.ENAMETOOLONG, self.call, name, path)

    @each(ALL)
    def test_symlink_loop_on_the_way_is_ELOOP(self, name):
        os.symlink("b", self.path("a"))
        os.symlink("a", self.path("b"))
        self.assertErrno(errno.ELOOP, self.call, name, self.path("a", "x"))

    @each(ALL)
    def test_dangling_symlink_on_the_way_is_ENOENT(self, name):
        os.symlink("absent", self.path("a"))
        self.assertErrno(errno.ENOENT, self.call, name, self.path("a", "x"))

    @each(ALL)
    def test_symlink_to_a_file_on_the_way_is_ENOTDIR(self, name):
        os.symlink("spare", self.path("a"))
        self.assertErrno(errno.ENOTDIR, self.call, name, self.path("a", "x"))

    @each(NEEDING)
    def test_absent_name_is_ENOENT(self, name):
        self.assertErrno(errno.ENOENT, self.call, name, self.path("absent"))

    @each(NEEDING)
    def test_absent_name_of_255_bytes_is_ENOENT(self, name):
        self.assertErrno(errno.ENOENT, self.call, name, self.path("n" * 255))

    @each(ALL)
    def test_empty_path_is_ENOENT(self, name):
        self.assertErrno(errno.ENOENT, self.call, name, "")

    @each([(n, n) for n in calls.EXISTING])
    def test_symlink_loop_at_the_end_is_ELOOP(self, name):
        os.symlink("loop", self.path("loop"))
        self.assertErrno(errno.ELOOP, self.call, name, self.path("loop"))

    @each([(n, n) for n in [*calls.CREATING, "link_to"] if n != "open_creat"])
    def test_existing_name_is_EEXIST(self, name):
        self.assertErrno(errno.EEXIST, self.call, name, self.make("there"))

    @each([(n, n) for n in [*calls.CREATING, "link_to"] if n != "open_creat"])
    def test_existing_directory_is_EEXIST(self, name):
        os.mkdir(self.path("there"))
        self.assertErrno(errno.EEXIST, self.call, name, self.path("there"))

    @each([(n, n) for n in [*calls.CREATING, "link_to"] if n != "open_creat"])
    def test_existing_dangling_symlink_is_EEXIST(self, name):
        os.symlink("absent", self.path("there"))
        self.assertErrno(errno.EEXIST, self.call, name, self.path("there"))


@unittest.skipUnless(os.geteuid() == 0, "needs root to become another user")
@expand
class PathPermissions(PathCase):
    USER = 61001

    def setUp(self):
        super().setUp()
        os.chmod(self.dir, 0o777)
        os.chown(self.spare, self.USER, self.USER)
        os.mkdir(self.path("d"))
        self.make("d/there", b"there")
        os.chmod(self.path("d/there"), 0o777)

    @each(ALL)
    def test_no_search_permission_on_the_way_is_EACCES(self, name):
        os.chmod(self.path("d"), 0o666)
        self.assertErrno(errno.EACCES, as_user, self.USER, self.call, name, self.path("d", "there"))

    @each(CREATING)
    def test_creating_without_write_permission_is_EACCES(self, name):
        os.chmod(self.path("d"), 0o755)
        self.assertErrno(errno.EACCES, as_user, self.USER, self.call, name, self.path("d", "new"))

    @each([(n, n) for n in ("unlink", "rename_from", "rename_to")])
    def test_changing_a_directory_without_write_permission_is_EACCES(self, name):
        os.chmod(self.path("d"), 0o755)
        self.assertErrno(errno.EACCES, as_user, self.USER, self.call, name, self.path("d", "there"))

    @each([(n, n) for n in ("unlink", "rename_from", "rename_to")])
    def test_sticky_directory_protects_others_files_with_EPERM(self, name):
        os.chmod(self.path("d"), 0o1777)
        self.assertErrno(errno.EPERM, as_user, self.USER, self.call, name, self.path("d", "there"))

    @each([(n, n) for n in ("unlink", "rename_from")])
    def test_sticky_directory_lets_the_owner_do_it(self, name):
        os.chmod(self.path("d"), 0o1777)
        os.chown(self.path("d", "there"), self.USER, self.USER)
        as_user(self.USER, self.call, name, self.path("d", "there"))
        self.assertFalse(os.path.exists(self.path("d", "there")))


if __name__ == "__main__":
    unittest.main()
