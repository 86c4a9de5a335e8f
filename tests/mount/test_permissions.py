"""Modes, owners, set-id bits, and who may do what."""
import errno
import os
import stat
import unittest

from vcfs_test.expand import each, expand
from vcfs_test.identity import as_user
from vcfs_test.shared import StoreCase

ALICE, BOB, TEAM = 61001, 61002, 61100


def _mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def _open_close(path, flags):
    os.close(os.open(path, flags))


@expand
class Modes(StoreCase):
    @each([(oct(m), m) for m in (0, 0o100, 0o644, 0o777, 0o1777, 0o2755, 0o4755, 0o7777)])
    def test_chmod_of_a_file_to(self, mode):
        path = self.make("f")
        os.chmod(path, mode)
        self.assertEqual(_mode(path), mode)

    @each([(oct(m), m) for m in (0, 0o700, 0o755, 0o1777, 0o2775, 0o7777)])
    def test_chmod_of_a_directory_to(self, mode):
        os.mkdir(self.path("d"))
        os.chmod(self.path("d"), mode)
        self.assertEqual(_mode(self.path("d")), mode)

    def test_fchmod_of_an_open_file(self):
        fd = os.open(self.path("f"), os.O_CREAT | os.O_WRONLY)
        self.addCleanup(os.close, fd)
        os.fchmod(fd, 0o601)
        self.assertEqual(_mode(self.path("f")), 0o601)

    def test_chmod_keeps_size_and_mtime_and_moves_ctime(self):
        path = self.make("f", b"abc")
        os.utime(path, ns=(5, 7))
        before = os.stat(path)
        os.chmod(path, 0o600)
        after = os.stat(path)
        self.assertEqual((after.st_size, after.st_mtime_ns), (3, 7))
        self.assertGreaterEqual(after.st_ctime_ns, before.st_ctime_ns)


@unittest.skipUnless(os.geteuid() == 0, "needs root to become other users")
@expand
class Owners(StoreCase):
    def setUp(self):
        super().setUp()
        os.chmod(self.dir, 0o777)

    def test_a_new_file_belongs_to_its_maker(self):
        as_user(ALICE, self.make, "f", gid=TEAM)
        st = os.stat(self.path("f"))
        self.assertEqual((st.st_uid, st.st_gid), (ALICE, TEAM))

    def test_a_setgid_directory_gives_its_group(self):
        os.mkdir(self.path("d"))
        os.chown(self.path("d"), 0, TEAM)
        os.chmod(self.path("d"), 0o2777)
        as_user(ALICE, self.make, "d/f")
        as_user(ALICE, os.mkdir, self.path("d/e"))
        self.assertEqual(os.stat(self.path("d/f")).st_gid, TEAM)
        st = os.stat(self.path("d/e"))
        self.assertEqual((st.st_gid, bool(st.st_mode & stat.S_ISGID)), (TEAM, True))

    def test_root_gives_files_away(self):
        path = self.make("f")
        os.chown(path, ALICE, TEAM)
        self.assertEqual((os.stat(path).st_uid, os.stat(path).st_gid), (ALICE, TEAM))
        os.chown(path, -1, BOB)
        self.assertEqual((os.stat(path).st_uid, os.stat(path).st_gid), (ALICE, BOB))

    def test_the_owner_cannot_give_it_away(self):
        os.chown(self.make("f"), ALICE, ALICE)
        self.assertErrno(errno.EPERM, as_user, ALICE, os.chown, self.path("f"), BOB, -1)

    def test_the_owner_may_give_it_to_a_group_of_theirs(self):
        os.chown(self.make("f"), ALICE, ALICE)
        as_user(ALICE, os.chown, self.path("f"), -1, TEAM, groups=(TEAM,))
        self.assertEqual(os.stat(self.path("f")).st_gid, TEAM)
        self.assertErrno(errno.EPERM, as_user, ALICE, os.chown, self.path("f"), -1, BOB)

    def test_a_change_of_owner_drops_set_id_bits(self):
        path = self.make("f", mode=0o6755)
        os.chown(path, ALICE, ALICE)
        as_user(ALICE, os.chown, path, -1, ALICE)
        self.assertEqual(_mode(path) & 0o6000, 0)

    def test_writing_drops_set_id_bits(self):
        path = self.make("f", b"x")
        os.chmod(path, 0o6777)
        as_user(ALICE, self._append, path)
        self.assertEqual(_mode(path) & 0o6000, 0)

    def test_truncating_drops_set_id_bits(self):
        path = self.make("f", b"xyz")
        os.chmod(path, 0o6777)
        as_user(ALICE, os.truncate, path, 1)
        self.assertEqual(_mode(path) & 0o6000, 0)

    @staticmethod
    def _append(path):
        with open(path, "ab") as f:
            f.write(b"y")

    def test_chmod_by_another_user_is_EPERM(self):
        os.chown(self.make("f", mode=0o666), ALICE, ALICE)
        self.assertErrno(errno.EPERM, as_user, BOB, os.chmod, self.path("f"), 0o777)

    def test_chmod_outside_ones_groups_drops_setgid(self):
        path = self.make("f")
        os.chown(path, ALICE, TEAM)
        as_user(ALICE, os.chmod, path, 0o2755)
        self.assertEqual(_mode(path), 0o755)

    @each([(f"{who}_{oct(mode)}_{name}", who, mode, flags, allowed)
           for who, shift in (("owner", 6), ("group", 3), ("other", 0))
           for bits in range(8) for mode in [bits << shift]
           for name, flags, allowed in (("read", os.O_RDONLY, bool(bits & 4)), ("write", os.O_WRONLY, bool(bits & 2)),
                                        ("both", os.O_RDWR, bits & 6 == 6))])
    def test_open_as(self, who, mode, flags, allowed):
        path = self.make("f", mode=mode)
        os.chown(path, ALICE, TEAM)
        user, groups = {"owner": (ALICE, ()), "group": (BOB, (TEAM,)), "other": (BOB, ())}[who]
        call = lambda: as_user(user, _open_close, path, flags, groups=groups)  # noqa: E731
        if allowed:
            call()
        else:
            self.assertErrno(errno.EACCES, call)

    @each([(f"{oct(mode)}_{name}", mode, name) for mode in (0o4, 0o1, 0o5, 0o3, 0o7) for name in ("list", "enter", "create")])
    def test_directory_of_others_with(self, mode, name):
        os.mkdir(self.path("d"))
        self.make("d/f")
        os.chmod(self.path("d"), mode)
        action, needed = {"list": (lambda: os.listdir(self.path("d")), 4),
                          "enter": (lambda: os.stat(self.path("d/f")), 1),
                          "create": (lambda: self.make("d/new"), 3)}[name]
        if mode & needed == needed:
            as_user(ALICE, lambda: bool(action()))
        else:
            self.assertErrno(errno.EACCES, as_user, ALICE, lambda: bool(action()))

    def test_root_passes_everywhere(self):
        os.mkdir(self.path("d"), 0)
        os.chmod(self.path("d"), 0)
        self.make("d/f", b"x", 0)
        self.assertEqual(self.read("d/f"), b"x")

    def test_executing_needs_an_execute_bit_even_for_root(self):
        path = self.make("f", b"#!/bin/sh\n", 0o666)
        self.assertFalse(os.access(path, os.X_OK))
        self.assertTrue(os.access(path, os.R_OK | os.W_OK))

    def test_utime_to_now_needs_write_permission(self):
        path = self.make("f", mode=0o666)
        as_user(ALICE, os.utime, path)
        os.chmod(path, 0o644)
        self.assertErrno(errno.EACCES, as_user, ALICE, os.utime, path)

    def test_utime_to_a_time_needs_ownership(self):
        path = self.make("f", mode=0o666)
        self.assertErrno(errno.EPERM, as_user, ALICE, os.utime, path, (1, 1))
        os.chown(path, ALICE, -1)
        as_user(ALICE, os.utime, path, (1, 1))

    def test_permission_is_checked_at_open_not_at_write(self):
        os.chown(self.make("f", mode=0o600), ALICE, ALICE)

        def write_after_chmod():
            fd = os.open(self.path("f"), os.O_WRONLY)
            os.chmod(self.path("f"), 0)
            return os.write(fd, b"still allowed")
        self.assertEqual(as_user(ALICE, write_after_chmod), 13)

    def test_sticky_rename_over_anothers_file_is_EPERM(self):
        os.chmod(self.dir, 0o1777)
        self.make("theirs")
        as_user(ALICE, self.make, "mine")
        self.assertErrno(errno.EPERM, as_user, ALICE, os.rename, self.path("mine"), self.path("theirs"))

    def test_sticky_directory_owner_may_remove(self):
        os.mkdir(self.path("d"))
        os.chown(self.path("d"), ALICE, ALICE)
        os.chmod(self.path("d"), 0o1777)
        as_user(BOB, self.make, "d/f")
        as_user(ALICE, os.unlink, self.path("d/f"))

    def test_chown_of_nothing_by_somebody_else_takes_no_privileges_away(self):
        plain, privileged = self.make("plain", mode=0o644), self.make("privileged", mode=0o6755)
        before = os.stat(privileged)
        as_user(ALICE, os.chown, plain, -1, -1)
        self.assertErrno(errno.EPERM, as_user, ALICE, os.chown, privileged, -1, -1)
        self.assertEqual(os.stat(privileged), before)

    def test_moving_a_directory_to_another_parent_needs_write_permission_on_it(self):
        for name in ("a", "b"):
            os.mkdir(self.path(name))
            os.chmod(self.path(name), 0o777)
        os.mkdir(self.path("a/d"))
        self.assertErrno(errno.EACCES, as_user, ALICE, os.rename, self.path("a/d"), self.path("b/d"))


if __name__ == "__main__":
    unittest.main()
