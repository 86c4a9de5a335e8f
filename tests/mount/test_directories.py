"""mkdir, rmdir, and listings that stay right while entries come and go."""
import errno
import os
import stat
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

from vcfs_test.shared import StoreCase


class Directories(StoreCase):
    def mkdir_all(self, names):
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda name: os.mkdir(self.path(name)), names))

    def test_a_new_directory_is_empty(self):
        os.mkdir(self.path("d"), 0o750)
        st = os.stat(self.path("d"))
        self.assertEqual((st.st_mode, st.st_nlink, os.listdir(self.path("d"))), (stat.S_IFDIR | 0o750, 2, []))

    def test_a_subdirectory_adds_a_link(self):
        os.makedirs(self.path("d/e"))
        self.assertEqual(os.stat(self.path("d")).st_nlink, 3)
        os.rmdir(self.path("d/e"))
        self.assertEqual(os.stat(self.path("d")).st_nlink, 2)

    def test_a_removed_directory_that_was_listed_before_can_still_be_opened_by_who_stands_in_it(self):
        os.mkdir(self.path("d"))
        inside = os.open(self.path("d"), os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, inside)
        for _ in range(2):
            self.assertEqual(os.listdir(self.path("d")), [])
        os.rmdir(self.path("d"))
        os.close(os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=inside))

    def test_rmdir_of_a_full_directory_is_ENOTEMPTY(self):
        os.mkdir(self.path("d"))
        self.make("d/f")
        self.assertErrno(errno.ENOTEMPTY, os.rmdir, self.path("d"))

    def test_rmdir_of_a_file_is_ENOTDIR(self):
        self.assertErrno(errno.ENOTDIR, os.rmdir, self.make("f"))

    def test_rmdir_of_dot_is_EINVAL(self):
        os.mkdir(self.path("d"))
        self.assertErrno(errno.EINVAL, os.rmdir, self.path("d/."))

    def test_rmdir_of_dot_dot_is_ENOTEMPTY(self):
        os.makedirs(self.path("d/e"))
        self.assertErrno(errno.ENOTEMPTY, os.rmdir, self.path("d/e/.."))

    def test_mtime_moves_with_entries(self):
        for change in (lambda: self.make("f"), lambda: os.mkdir(self.path("d")), lambda: os.symlink("x", self.path("s")),
                       lambda: os.link(self.path("f"), self.path("l")), lambda: os.unlink(self.path("l")),
                       lambda: os.rmdir(self.path("d")), lambda: os.rename(self.path("f"), self.path("g"))):
            os.utime(self.dir, (1, 1))
            change()
            self.assertGreater(os.stat(self.dir).st_mtime, 1000)

    def test_mtime_in_the_future_comes_back_with_entries(self):
        for change in (lambda: self.make("f"), lambda: os.mkdir(self.path("d")), lambda: os.link(self.path("f"), self.path("l")),
                       lambda: os.unlink(self.path("l")), lambda: os.rmdir(self.path("d"))):
            os.utime(self.dir, (4e9, 4e9))
            self.assertEqual(os.stat(self.dir).st_mtime, 4e9)
            change()
            self.assertLess(os.stat(self.dir).st_mtime, 3e9)

    def test_writing_a_file_does_not_move_its_directorys_mtime(self):
        self.make("f", b"x")
        os.utime(self.dir, (1, 1))
        self.make("f", b"longer")
        self.assertEqual(os.stat(self.dir).st_mtime, 1)

    def test_types_in_the_listing(self):
        self.make("file")
        os.mkdir(self.path("dir"))
        os.symlink("x", self.path("sym"))
        os.mkfifo(self.path("fifo"))
        kinds = {e.name: (e.is_file(follow_symlinks=False), e.is_dir(follow_symlinks=False), e.is_symlink())
                 for e in os.scandir(self.dir)}
        self.assertEqual(kinds, {"file": (True, False, False), "dir": (False, True, False), "sym": (False, False, True),
                                 "fifo": (False, False, False)})

    def test_inode_numbers_in_the_listing(self):
        for i in range(20):
            self.make(f"f{i}")
        self.assertTrue(all(e.inode() == os.stat(e.path).st_ino for e in os.scandir(self.dir)))

    def test_10000_entries_are_each_listed_once(self):
        names = {f"entry-{i:05}" for i in range(10000)}
        self.mkdir_all(names)
        listing = os.listdir(self.dir)
        self.assertEqual((len(listing), set(listing)), (10000, names))
        self.assertEqual(len([e for e in os.scandir(self.dir) if e.stat().st_nlink == 2]), 10000)

    def test_entries_that_stay_are_listed_while_others_come_and_go(self):
        staying = {f"stay-{i}" for i in range(2000)}
        self.mkdir_all([*staying, *(f"go-{i}" for i in range(1000))])
        seen = []
        with os.scandir(self.dir) as entries:
            for i, entry in enumerate(entries):
                seen.append(entry.name)
                if i % 2 == 0 and i < 2000:
                    os.rmdir(self.path(f"go-{i // 2}"))
                    os.mkdir(self.path(f"come-{i}"))
        self.assertEqual(len(seen), len(set(seen)))
        self.assertEqual(staying - set(seen), set())

    def test_removing_entries_while_listing_removes_all(self):
        self.mkdir_all(f"d{i}" for i in range(600))
        with os.scandir(self.dir) as entries:
            for entry in entries:
                os.rmdir(entry.path)
        self.assertEqual(os.listdir(self.dir), [])

    def _list_while(self, change):
        """Names met by one listing of 600 files, each of which change(its path) is called for."""
        for i in range(600):
            os.mknod(self.path(str(i)))
        met = []
        with os.scandir(self.dir) as entries:
            for entry in entries:
                met.append(entry.name)
                self.assertLess(len(met), 1800, "the listing does not end")
                change(entry.path)
        return met

    def test_renaming_entries_and_back_while_listing_comes_to_an_end(self):
        def there_and_back(path):
            os.rename(path, self.path("elsewhere"))
            os.rename(self.path("elsewhere"), path)
        self.assertEqual(sorted(self._list_while(there_and_back)), sorted(map(str, range(600))))

    def test_replacing_entries_while_listing_comes_to_an_end(self):
        def replace(path):
            os.mknod(self.path("new"))
            os.rename(self.path("new"), path)
        self.assertEqual(sorted(set(self._list_while(replace)) - {"new"}), sorted(map(str, range(600))))

    def test_seekdir_returns_to_the_same_place(self):
        import ctypes
        libc = ctypes.CDLL(None)
        for name in ("opendir", "readdir"):
            getattr(libc, name).restype = ctypes.c_void_p
        libc.telldir.restype = ctypes.c_long
        for i in range(500):
            self.make(f"f{i}")

        def name_of(entry):
            return ctypes.string_at(entry + 19)
        stream = ctypes.c_void_p(libc.opendir(self.dir.encode()))
        try:
            for _ in range(200):
                libc.readdir(stream)
            position = ctypes.c_long(libc.telldir(stream))
            following = [name_of(libc.readdir(stream)) for _ in range(5)]
            libc.seekdir(stream, position)
            self.assertEqual([name_of(libc.readdir(stream)) for _ in range(5)], following)
            libc.rewinddir(stream)
            names = set()
            while entry := libc.readdir(stream):
                names.add(name_of(entry))
            self.assertEqual(len(names), 502)
        finally:
            libc.closedir(stream)

    def test_rewinding_shows_new_entries(self):
        self.make("a")
        fd = os.open(self.dir, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        self.assertEqual(os.listdir(fd), ["a"])
        self.make("b")
        self.assertEqual(sorted(os.listdir(fd)), ["a", "b"])

    def test_concurrent_creation_of_one_name_is_won_by_one(self):
        winners = []

        def attempt(who):
            try:
                os.mkdir(self.path("prize"))
                winners.append(who)
            except FileExistsError:
                pass
        threads = [threading.Thread(target=attempt, args=(i,)) for i in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(len(winners), 1)

    def test_concurrent_work_in_one_directory(self):
        wrong = []

        def work(who):
            try:
                for i in range(100):
                    self.make(f"{who}-{i}", b"x" * i)
                    os.rename(self.path(f"{who}-{i}"), self.path(f"{who}-{i}-done"))
                    if i % 2:
                        os.unlink(self.path(f"{who}-{i}-done"))
            except OSError as e:
                wrong.append(e)
        threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])
        self.assertEqual(len(os.listdir(self.dir)), 300)

    def test_relative_calls_work_on_an_open_directory(self):
        fd = os.open(self.dir, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        os.mkdir("d", dir_fd=fd)
        os.close(os.open("d/f", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        os.rename("d/f", "g", src_dir_fd=fd, dst_dir_fd=fd)
        os.symlink("g", "s", dir_fd=fd)
        self.assertEqual(sorted(os.listdir(fd)), ["d", "g", "s"])
        self.assertEqual(os.stat("s", dir_fd=fd).st_ino, os.stat("g", dir_fd=fd).st_ino)


if __name__ == "__main__":
    unittest.main()
