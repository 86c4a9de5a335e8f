"""What may be a name, and that each is found again as it was given."""
import os
import unittest

from vcfs_test.expand import each, expand
from vcfs_test.shared import StoreCase

NAMES = [
    ("one_byte", b"a"),
    ("255_bytes", b"n" * 255),
    ("255_bytes_of_utf8", "ä".encode() * 127 + b"x"),
    ("space", b" "),
    ("leading_dash", b"-rf"),
    ("newline", b"line\nbreak"),
    ("tab_and_control", b"\t\x01\x7f"),
    ("quotes", b"'\"`$\\"),
    ("glob", b"*?[a-z]"),
    ("three_dots", b"..."),
    ("trailing_dot_and_space", b"name. "),
    ("percent_and_quote_of_sql", b"%'; drop table names; --_"),
    ("chinese", "会议录音".encode()),
    ("emoji", "🎥.mkv".encode()),
    ("composed", "é".encode()),
    ("decomposed", "é".encode()),
    ("colon", b"2024-01-01T00:00:00.mp4"),
    ("backslash", b"a\\b"),
    ("looks_like_a_number", b"18446744073709551615"),
    ("hash", b"#1"),
]


@expand
class Names(StoreCase):
    @each(NAMES)
    def test_file_is_found_as(self, name):
        path = os.fsencode(self.dir) + b"/" + name
        with open(path, "wb") as f:
            f.write(name)
        self.assertEqual(os.listdir(os.fsencode(self.dir)), [name])
        with open(path, "rb") as f:
            self.assertEqual(f.read(), name)
        os.unlink(path)
        self.assertEqual(os.listdir(self.dir), [])

    @each(NAMES)
    def test_directory_is_found_as(self, name):
        path = os.fsencode(self.dir) + b"/" + name
        os.mkdir(path)
        os.mkdir(path + b"/inner")
        self.assertEqual(os.listdir(path), [b"inner"])
        os.rmdir(path + b"/inner")
        os.rmdir(path)

    @each(NAMES)
    def test_rename_to(self, name):
        self.make("old", b"content")
        target = os.fsencode(self.dir) + b"/" + name
        os.rename(self.path("old"), target)
        self.assertEqual(os.listdir(os.fsencode(self.dir)), [name])
        with open(target, "rb") as f:
            self.assertEqual(f.read(), b"content")

    @each([(n, v) for n, v in NAMES])
    def test_symlink_target_is_kept(self, name):
        os.symlink(name, self.path("link"))
        self.assertEqual(os.readlink(os.fsencode(self.path("link"))), name)

    def test_names_differ_by_case(self):
        self.make("Name", b"1")
        self.make("name", b"2")
        self.assertEqual((self.read("Name"), self.read("name")), (b"1", b"2"))

    def test_names_differ_by_unicode_normalisation(self):
        self.make("\u00e9", b"1")
        self.make("e\u0301", b"2")
        self.assertEqual(len(os.listdir(self.dir)), 2)
        self.assertEqual(self.read("\u00e9"), b"1")

    def test_names_that_agree_in_254_bytes_differ(self):
        for last in "abc":
            self.make("n" * 254 + last, last.encode())
        self.assertEqual([self.read("n" * 254 + last) for last in "abc"], [b"a", b"b", b"c"])

    def test_dot_and_dot_dot_are_listed(self):
        listing = self.run_tool("ls", "-a", self.dir).split()
        self.assertEqual(listing, [".", ".."])

    def test_dot_dot_is_the_parent(self):
        os.makedirs(self.path("a/b"))
        self.assertEqual(os.stat(self.path("a/b/..")).st_ino, os.stat(self.path("a")).st_ino)
        self.assertEqual(os.stat(self.path("a/b/../..")).st_ino, os.stat(self.dir).st_ino)

    def test_trailing_slash_on_a_directory(self):
        os.mkdir(self.path("d") + "/")
        self.assertTrue(os.path.isdir(self.path("d") + "/"))
        os.rmdir(self.path("d") + "/")

    def test_trailing_slash_on_a_file_is_ENOTDIR(self):
        import errno
        self.assertErrno(errno.ENOTDIR, os.stat, self.make("f") + "/")
        self.assertErrno(errno.EISDIR, os.open, self.path("new") + "/", os.O_CREAT | os.O_WRONLY)

    def test_a_deep_path(self):
        path = self.dir
        for i in range(60):
            path = os.path.join(path, f"level-{i:02}")
        os.makedirs(path)
        with open(path + "/leaf", "wb") as f:
            f.write(b"deep")
        self.assertEqual(self.read(path + "/leaf"), b"deep")


if __name__ == "__main__":
    unittest.main()
