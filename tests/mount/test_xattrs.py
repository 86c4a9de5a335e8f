"""Extended attributes and ACLs."""
import errno
import os
import shutil
import subprocess
import unittest

from vcfs_test.identity import as_user
from vcfs_test.shared import StoreCase

ROOT = os.geteuid() == 0


class Xattrs(StoreCase):
    def test_set_and_get(self):
        path = self.make("f")
        os.setxattr(path, "user.speaker", "Zoë".encode())
        self.assertEqual(os.getxattr(path, "user.speaker"), "Zoë".encode())

    def test_empty_and_binary_values(self):
        path = self.make("f")
        for value in (b"", b"\0", bytes(range(256))):
            os.setxattr(path, "user.v", value)
            self.assertEqual(os.getxattr(path, "user.v"), value)

    def test_value_of_3000_bytes(self):
        path = self.make("f")
        os.setxattr(path, "user.big", b"v" * 3000)
        self.assertEqual(os.getxattr(path, "user.big"), b"v" * 3000)

    def test_value_of_more_than_64_kib_is_E2BIG(self):
        self.assertErrno(errno.E2BIG, os.setxattr, self.make("f"), "user.big", b"v" * 65537)

    def test_name_of_256_bytes_is_ERANGE(self):
        self.assertErrno(errno.ERANGE, os.setxattr, self.make("f"), "user." + "n" * 251, b"v")

    def test_name_of_255_bytes(self):
        path, name = self.make("f"), "user." + "n" * 250
        os.setxattr(path, name, b"v")
        self.assertEqual(os.getxattr(path, name), b"v")

    def test_listing(self):
        path = self.make("f")
        for i in range(10):
            os.setxattr(path, f"user.a{i}", b"x")
        listed = [n for n in os.listxattr(path) if n.startswith("user.a")]
        self.assertEqual(sorted(listed), [f"user.a{i}" for i in range(10)])

    def test_absent_is_ENODATA(self):
        path = self.make("f")
        self.assertErrno(errno.ENODATA, os.getxattr, path, "user.absent")
        self.assertErrno(errno.ENODATA, os.removexattr, path, "user.absent")

    def test_create_refuses_an_existing_one(self):
        path = self.make("f")
        os.setxattr(path, "user.a", b"1", os.XATTR_CREATE)
        self.assertErrno(errno.EEXIST, os.setxattr, path, "user.a", b"2", os.XATTR_CREATE)
        self.assertEqual(os.getxattr(path, "user.a"), b"1")

    def test_replace_refuses_an_absent_one(self):
        self.assertErrno(errno.ENODATA, os.setxattr, self.make("f"), "user.a", b"1", os.XATTR_REPLACE)

    def test_a_name_that_ends_behind_its_first_dot_is_EINVAL(self):
        path = self.make("f")
        for name in ("user.", "trusted.", "security."):
            self.assertErrno(errno.EINVAL, os.setxattr, path, name, b"1")
            self.assertErrno(errno.EINVAL, os.getxattr, path, name)

    def test_create_and_replace_together_are_never_possible(self):
        path = self.make("f")
        self.assertErrno(errno.ENODATA, os.setxattr, path, "user.a", b"1", os.XATTR_CREATE | os.XATTR_REPLACE)
        os.setxattr(path, "user.a", b"1")
        self.assertErrno(errno.EEXIST, os.setxattr, path, "user.a", b"2", os.XATTR_CREATE | os.XATTR_REPLACE)

    def test_removing(self):
        path = self.make("f")
        os.setxattr(path, "user.a", b"1")
        os.removexattr(path, "user.a")
        self.assertNotIn("user.a", os.listxattr(path))

    def test_on_a_directory(self):
        os.setxattr(self.dir, "user.a", b"1")
        self.assertEqual(os.getxattr(self.dir, "user.a"), b"1")

    def test_selinux_labels_are_EOPNOTSUPP(self):
        path = self.make("f")
        self.assertErrno(errno.EOPNOTSUPP, os.getxattr, path, "security.selinux")
        self.assertErrno(errno.EOPNOTSUPP, os.setxattr, path, "security.selinux", b"label")

    def test_user_attributes_on_a_symlink_are_EPERM(self):
        os.symlink("x", self.path("l"))
        self.assertErrno(errno.EPERM, os.setxattr, self.path("l"), "user.a", b"1", follow_symlinks=False)

    def test_unknown_namespace_is_EOPNOTSUPP(self):
        self.assertErrno(errno.EOPNOTSUPP, os.setxattr, self.make("f"), "wrong.a", b"1")

    def test_survive_rename_and_are_shared_by_links(self):
        path = self.make("f")
        os.setxattr(path, "user.a", b"1")
        os.rename(path, self.path("g"))
        os.link(self.path("g"), self.path("h"))
        self.assertEqual(os.getxattr(self.path("h"), "user.a"), b"1")

    def test_through_a_descriptor(self):
        with open(self.make("f"), "rb") as f:
            os.setxattr(f.fileno(), "user.a", b"1")
            self.assertEqual(os.getxattr(f.fileno(), "user.a"), b"1")

    @unittest.skipUnless(ROOT, "needs root")
    def test_trusted_attributes_of_root(self):
        path = self.make("f", mode=0o666)
        os.setxattr(path, "trusted.a", b"1")
        self.assertEqual(os.getxattr(path, "trusted.a"), b"1")
        self.assertErrno(errno.EPERM, as_user, 61001, os.setxattr, path, "trusted.a", b"2")

    @unittest.skipUnless(ROOT, "needs root")
    def test_need_write_permission(self):
        path = self.make("f", mode=0o644)
        self.assertErrno(errno.EACCES, as_user, 61001, os.setxattr, path, "user.a", b"1")
        os.setxattr(path, "user.a", b"1")
        self.assertEqual(as_user(61001, os.getxattr, path, "user.a"), b"1")


@unittest.skipUnless(shutil.which("setfacl") and ROOT, "needs root and setfacl (package acl)")
class Acls(StoreCase):
    def setUp(self):
        super().setUp()
        probe = subprocess.run(["setfacl", "-m", "u:61001:r", self.make("probe")], capture_output=True, text=True, check=False)
        os.unlink(self.path("probe"))
        if "not supported" in probe.stderr:
            self.skipTest("the store refuses ACLs cleanly")

    def test_a_named_user_gets_in(self):
        path = self.make("f", b"secret", 0o600)
        self.assertErrno(errno.EACCES, as_user, 61001, self.read, path)
        self.run_tool("setfacl", "-m", "u:61001:r", path)
        self.assertEqual(as_user(61001, self.read, path), b"secret")
        self.assertErrno(errno.EACCES, as_user, 61002, self.read, path)

    def test_a_named_group_gets_in(self):
        path = self.make("f", b"secret", 0o600)
        self.run_tool("setfacl", "-m", "g:61100:r", path)
        self.assertEqual(as_user(61001, self.read, path, groups=(61100,)), b"secret")

    def test_the_mask_limits(self):
        path = self.make("f", b"secret", 0o600)
        self.run_tool("setfacl", "-m", "u:61001:rw,m::r", path)
        self.assertErrno(errno.EACCES, as_user, 61001, os.truncate, path, 0)

    def test_chmod_changes_the_mask(self):
        path = self.make("f", b"secret", 0o600)
        self.run_tool("setfacl", "-m", "u:61001:r", path)
        os.chmod(path, 0o600)
        self.assertErrno(errno.EACCES, as_user, 61001, self.read, path)

    def test_defaults_are_inherited(self):
        os.mkdir(self.path("d"), 0o755)
        self.run_tool("setfacl", "-d", "-m", "u:61001:rwx", self.path("d"))
        os.mkdir(self.path("d/e"))
        with open(self.path("d/e/f"), "wb") as f:
            f.write(b"inherited")
        self.assertIn("user:61001:rwx", self.run_tool("getfacl", "-cpn", self.path("d/e/f")))
        self.assertIn("default:user:61001:rwx", self.run_tool("getfacl", "-cpn", self.path("d/e")))


if __name__ == "__main__":
    unittest.main()
