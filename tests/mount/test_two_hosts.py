"""One store, two mounts, each of which stands for a host: what one does, the other sees. More, under load, is in
tests/integration/test_follow.py."""
import errno
import os
import struct
import subprocess
import sys
import threading
import time
import unittest

from vcfs_test.identity import as_user
from vcfs_test.mapping import Mapping
from vcfs_test.shared import StoreCase, cluster
from vcfs_test.syscalls import FALLOC_KEEP_SIZE, fallocate
from vcfs_test.wait import wait_for

# Is told sizes, and says what the last byte is then. Python's own mmap asks for the size.
MAPPING_READER = """
import os, sys
from vcfs_test.identity import as_user
from vcfs_test.mapping import Mapping
for line in sys.stdin:
    fd = os.open(sys.argv[1], os.O_RDONLY)
    with Mapping(fd, int(line)) as view:
        print(chr(view[int(line) - 1]), flush=True)
    os.close(fd)
"""

CAPABILITY = "security.capability"

_other = None


def other_mount():
    global _other
    if _other is None:
        _other = cluster().mount_again("second")
    return _other


class TwoHosts(StoreCase):
    def setUp(self):
        super().setUp()
        other_mount()

    def there(self, *parts):
        return os.path.join(str(other_mount()), os.path.relpath(self.dir, cluster().mount), *parts)

    def open(self, path, flags, mode=0o644):
        fd = os.open(path, flags, mode)
        self.addCleanup(os.close, fd)
        return fd

    def wait_seen(self, condition, limit, what):
        begun = time.monotonic()
        wait_for(condition, 10, what, interval=0.002)
        self.assertLess(time.monotonic() - begun, limit, what)

    # ---- what a file may do

    def test_what_is_set_there_ends_with_a_change_through_what_is_open_here(self):
        """Set-id bits and capabilities, once they were heard of here."""
        fd = self.open(self.path("f"), os.O_RDWR | os.O_CREAT)

        def ends(change, is_there):
            as_user(61001, change)
            return not is_there()
        for change in (lambda: os.write(fd, b"b"), lambda: fallocate(fd, FALLOC_KEEP_SIZE, 0, 4096),
                       lambda: os.copy_file_range(fd, fd, 1, 0, 1)):
            change()
            os.chmod(self.there("f"), 0o6755)
            wait_for(lambda: ends(change, lambda: os.stat(self.there("f")).st_mode & 0o6000), 10, "the bits to end")
            os.setxattr(self.there("f"), CAPABILITY, struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))
            wait_for(lambda: ends(change, lambda: CAPABILITY in os.listxattr(self.there("f"))), 10, "the capability to end")

    # ---- bytes

    def test_rewriting_is_seen_by_the_next_open(self):
        for i in range(60):
            content = b"%05d" % i * (1000 + i * 37 % 100)
            self.make("f", content)
            with open(self.there("f"), "rb") as f:
                self.assertEqual(f.read(), content)

    def test_rewriting_is_seen_by_an_open_of_what_was_looked_at_before(self):
        for i in range(50):
            self.make("f", b"old" * 1000)
            self.assertEqual(os.stat(self.there("f")).st_size, 3000)
            with open(self.there("f"), "rb") as f:
                self.assertEqual(f.read(), b"old" * 1000)
            self.make("f", b"%05d" % i * 1000)
            with open(self.there("f"), "rb") as f:
                self.assertEqual(f.read(), b"%05d" % i * 1000)

    def test_what_was_closed_is_mapped_by_the_next_open_to_its_end(self):
        """Nobody asks for the size on the way. In a process of its own: behind the end that the kernel knows there is SIGBUS."""
        self.make("f", b"a" * 100)
        reader = subprocess.Popen([sys.executable, "-c", MAPPING_READER, self.there("f")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True, bufsize=1, env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
        self.addCleanup(reader.wait)
        self.addCleanup(reader.stdout.close)
        self.addCleanup(reader.stdin.close)
        for i in range(100):
            with open(self.path("f"), "ab") as f:
                f.write(b"%c" % (97 + i % 26) * 3000)
            reader.stdin.write(f"{os.stat(self.path('f')).st_size}\n")
            self.assertEqual(reader.stdout.readline().strip(), chr(97 + i % 26), f"round {i}; the reader's exit code: {reader.poll()}")

    def test_what_is_stored_through_a_mapping_behind_the_end_known_before_reaches_the_store(self):
        for i in range(40):
            self.make("f", b"a" * 4106)
            with open(self.there("f"), "rb") as f:
                f.read()
            with open(self.path("f"), "ab") as f:
                f.write(b"b" * 100)
            fd = os.open(self.there("f"), os.O_RDWR)
            with Mapping(fd, 8192, writable=True) as view:
                view[4106 + 50] = ord("Y")
                view.sync()
            os.close(fd)
            fd = os.open(self.path("f"), os.O_RDONLY | os.O_DIRECT)
            self.assertEqual(os.pread(fd, 100, 4106), b"b" * 50 + b"Y" + b"b" * 49, f"round {i}")
            os.close(fd)

    def test_a_mapping_shows_what_the_other_host_has_written(self):
        """Of a descriptor that goes past this host's pages as well: what is mapped is in them."""
        for flags in (os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_DIRECT):
            with self.subTest(flags=flags):
                self.make("f", b"a" * 8192)
                with Mapping(self.open(self.path("f"), flags), 8192) as view:
                    self.assertEqual(chr(view[5000]), "a")
                    with open(self.there("f"), "r+b") as f:
                        f.seek(5000)
                        f.write(b"b")
                    self.wait_seen(lambda: chr(view[5000]) == "b", 1, "the new byte in the mapping")
                os.unlink(self.path("f"))

    def test_links_made_on_both_hosts_at_once_are_all_counted(self):
        for i in range(100):
            name = f"f{i}"
            self.make(name)
            both = threading.Barrier(2)

            def link(path, to):
                both.wait()
                os.link(path, to)
            threads = [threading.Thread(target=link, args=(at(name), at(f"{name}-{n}"))) for n, at in enumerate((self.path, self.there))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for at in (self.path, self.there):
                self.wait_seen(lambda: os.stat(at(name)).st_nlink == 3, 1, f"round {i}: links of {at(name)}")

    def test_files_opened_in_the_order_of_their_listing_are_as_they_were_closed(self):
        for i in range(60):
            self.make(f"d{i:02d}", b"old")
        names = sorted(os.listdir(self.there()))
        self.assertEqual(len(names), 60)
        for i, name in enumerate(names):
            if i + 3 < 60:  # it has been asked for along with others by then
                self.make(names[i + 3], b"rewritten")
            with open(self.there(name), "rb") as f:
                self.assertEqual(f.read(), b"old" if i < 3 else b"rewritten")

    def test_small_files_read_ahead_of_their_opening_are_as_they_were_closed(self):
        for i in range(200):
            self.make(f"d{i:03d}", b"old" * 100)
        names = sorted(os.listdir(self.there()))
        for i, name in enumerate(names):
            # The bytes of the next ones have been fetched with those before them.
            if i % 3 == 0 and i + 1 < len(names):
                self.make(names[i + 1], b"new" * 100)  # as long as it was
            with open(self.there(name), "rb") as f:
                self.assertEqual(f.read(), (b"new" if i % 3 == 1 else b"old") * 100, name)

    def test_truncating_here_is_seen_there(self):
        self.make("f", b"x" * 5000)
        there = self.open(self.there("f"), os.O_RDONLY)
        self.assertEqual(os.pread(there, 10, 4000), b"x" * 10)
        os.truncate(self.path("f"), 100)
        self.wait_seen(lambda: os.pread(there, 10, 4000) == b"", 1, "the truncation")
        self.assertEqual(os.stat(self.there("f")).st_size, 100)
        os.truncate(self.path("f"), 300)
        self.wait_seen(lambda: os.pread(there, 1000, 0) == b"x" * 100 + b"\0" * 200, 1, "the growth")

    # ---- sizes and attributes

    def test_the_size_of_a_growing_file_follows_within_200_ms(self):
        fd = self.open(self.path("f"), os.O_CREAT | os.O_WRONLY)
        took = []
        for i in range(1, 20):
            os.write(fd, b"x" * 1000)
            begun = time.monotonic()
            wait_for(lambda i=i: os.stat(self.there("f")).st_size == i * 1000, 10, f"{i} kB", interval=0.002)
            took.append(time.monotonic() - begun)
        # One may be late where other tests have the machine just then.
        self.assertLess(sorted(took)[-3], 0.2, took)
        self.assertLess(max(took), 1, took)

    def test_a_reader_never_finds_less_than_the_size_it_was_told(self):
        fd = self.open(self.path("f"), os.O_CREAT | os.O_WRONLY)
        stop = threading.Event()

        def write():
            i = 0
            while not stop.is_set():
                os.write(fd, b"%08d" % i * 100)
                i += 1
                time.sleep(0.001)
        writer = threading.Thread(target=write)
        writer.start()
        try:
            wait_for(lambda: os.path.exists(self.there("f")), 5, "the file")
            reader = self.open(self.there("f"), os.O_RDONLY)
            # A file shorter than what is read may grow between the two questions.
            wait_for(lambda: os.fstat(reader).st_size >= 800, 5, "the first record")
            for _ in range(100):
                size = os.fstat(reader).st_size
                data = os.pread(reader, 800, max(size - 800, 0))
                self.assertEqual(len(data), min(size, 800))
                self.assertNotIn(b"\0", data)
        finally:
            stop.set()
            writer.join()

    def test_attributes_follow_within_a_second(self):
        path = self.make("f")
        there = self.there("f")
        self.assertEqual(os.stat(there).st_mode & 0o777, 0o644)
        os.chmod(path, 0o600)
        self.wait_seen(lambda: os.stat(there).st_mode & 0o777 == 0o600, 1, "chmod")
        os.chown(path, 1234, 5678)
        self.wait_seen(lambda: (os.stat(there).st_uid, os.stat(there).st_gid) == (1234, 5678), 1, "chown")
        os.utime(path, (1, 2))
        self.wait_seen(lambda: (os.stat(there).st_atime, os.stat(there).st_mtime) == (1, 2), 1, "utime")
        os.setxattr(path, "user.k", b"v")
        self.wait_seen(lambda: os.listxattr(there) == ["user.k"], 1, "setxattr")
        os.link(path, self.path("g"))
        self.wait_seen(lambda: os.stat(there).st_nlink == 2, 1, "link")

    def test_extended_attributes_follow_although_there_were_none(self):
        path, there = self.make("f"), self.there("f")
        for get in (lambda: os.getxattr(there, "user.k"), lambda: os.getxattr(there, "system.posix_acl_access")):
            self.assertErrno(errno.ENODATA, get)
        self.assertEqual(os.listxattr(there), [])
        os.setxattr(path, "user.k", b"v")
        self.wait_seen(lambda: os.listxattr(there) == ["user.k"], 1, "setxattr")
        self.assertEqual(os.getxattr(there, "user.k"), b"v")
        os.removexattr(path, "user.k")
        self.wait_seen(lambda: os.listxattr(there) == [], 1, "removexattr")

    # ---- names

    def test_a_rename_over_a_name_is_atomic_for_readers_there(self):
        self.make("f", b"0" * 1000)
        stop = threading.Event()
        wrong = []

        def look():
            while not stop.is_set():
                try:
                    with open(self.there("f"), "rb") as f:
                        data = f.read()
                    if len(data) != 1000 or len(set(data)) != 1:
                        wrong.append(data[:20])
                except FileNotFoundError:
                    wrong.append("absent")
        reader = threading.Thread(target=look)
        reader.start()
        try:
            for i in range(60):
                self.make("new", bytes([48 + i % 10]) * 1000)
                os.rename(self.path("new"), self.path("f"))
        finally:
            stop.set()
            reader.join()
        self.assertEqual(wrong, [])

    def test_a_listing_holds_what_was_made_before_it(self):
        for i in range(100):
            self.make(f"old{i}", b"")
        for i in range(100):
            self.make(f"new{i}", b"x")
            os.unlink(self.path(f"old{i}"))
            listed = os.listdir(self.there())
            self.assertEqual(len(listed), 100)
            self.assertIn(f"new{i}", listed)
            self.assertNotIn(f"old{i}", listed)
            self.assertEqual(sorted(os.listdir(self.there())), sorted(listed))

    def test_a_listing_is_true_although_the_directorys_time_was_set_back(self):
        self.make("a", b"")
        os.utime(self.dir, ns=(10**18, 10**18))
        self.assertEqual(os.listdir(self.there()), ["a"])
        self.assertEqual(os.listdir(self.there()), ["a"])
        self.make("b", b"")
        os.utime(self.dir, ns=(10**18, 10**18))
        self.assertEqual(sorted(os.listdir(self.there())), ["a", "b"])

    def test_a_directory_that_is_read_again_from_its_start_tells_what_came_since(self):
        self.make("a", b"")
        os.listdir(self.there())
        os.listdir(self.there())
        fd = self.open(self.there(), os.O_RDONLY | os.O_DIRECTORY)
        self.assertEqual(os.listdir(fd), ["a"])
        self.make("b", b"")
        self.wait_seen(lambda: sorted(os.listdir(fd)) == ["a", "b"], 1, "the new name in the open directory")

    def test_link_as_a_lock_has_one_winner(self):
        for i in range(10):
            won = []

            def take(directory, who):
                mine = os.path.join(directory, f"{who}{i}")
                os.close(os.open(mine, os.O_CREAT | os.O_WRONLY))
                try:
                    os.link(mine, os.path.join(directory, f"lock{i}"))
                    won.append(who)
                except FileExistsError:
                    pass
            threads = [threading.Thread(target=take, args=(self.dir, "a")),
                       threading.Thread(target=take, args=(self.there(), "b"))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(len(won), 1)

    # ---- removal of what is open

    def test_a_file_deleted_here_is_written_on_there(self):
        self.make("f")
        there = self.open(self.there("f"), os.O_RDWR)
        os.unlink(self.path("f"))
        self.wait_seen(lambda: not os.path.exists(self.there("f")), 1, "the removal")
        os.write(there, b"still here")
        os.fsync(there)
        self.assertEqual(os.pread(there, 100, 0), b"still here")

    def test_a_directory_of_open_files_is_removed_and_no_hidden_names_stay(self):
        os.makedirs(self.path("d/e"))
        for name in ("d/a", "d/e/b"):
            self.make(name, b"x" * 1000)
        open_there = [self.open(self.there(name), os.O_RDONLY) for name in ("d/a", "d/e/b")]
        self.open(self.path("d/a"), os.O_RDWR)
        self.run_tool("rm", "-r", self.path("d"))
        self.assertFalse(os.path.lexists(self.path("d")))
        self.wait_seen(lambda: os.listdir(self.there()) == [], 1, "nothing to be left there")
        for fd in open_there:
            self.assertEqual(os.pread(fd, 2000, 0), b"x" * 1000)

    def test_a_removed_working_directory(self):
        os.mkdir(self.path("d"))
        fd = self.open(self.there("d"), os.O_RDONLY | os.O_DIRECTORY)
        os.rmdir(self.path("d"))
        self.wait_seen(lambda: not os.path.exists(self.there("d")), 1, "the removal")
        self.assertErrno(errno.ENOENT, os.open, "x", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
        self.assertEqual(os.listdir(fd), [])


if __name__ == "__main__":
    unittest.main()
