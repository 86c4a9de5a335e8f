"""Memory maps."""
import mmap
import os
import unittest

from vcfs_test.files import pattern
from vcfs_test.identity import in_child
from vcfs_test.shared import StoreCase

MIB = 1 << 20


class Mmap(StoreCase):
    def map(self, size, name="f", **kw):
        fd = os.open(self.path(name), os.O_RDWR)
        view = mmap.mmap(fd, size, **kw)
        os.close(fd)
        self.addCleanup(view.close)
        return view

    def test_a_shared_map_shows_the_file(self):
        self.make("f", pattern(MIB + 100))
        self.assertEqual(self.map(MIB + 100)[:], pattern(MIB + 100))

    def test_a_shared_map_writes_the_file(self):
        self.make("f", pattern(MIB))
        view = self.map(MIB)
        view[5000:5010] = b"0123456789"
        view.flush()
        self.assertEqual(self.read("f"), pattern(MIB)[:5000] + b"0123456789" + pattern(MIB)[5010:])

    def test_a_map_written_and_closed_reaches_the_file(self):
        self.make("f", bytes(MIB))
        view = self.map(MIB)
        view[:] = pattern(MIB)
        view.close()
        self.assertEqual(self.read("f"), pattern(MIB))

    def test_a_private_map_keeps_its_changes_to_itself(self):
        self.make("f", pattern(8192))
        view = self.map(8192, access=mmap.ACCESS_COPY)
        view[0:4] = b"mine"
        self.assertEqual((view[0:4], self.read("f")), (b"mine", pattern(8192)))

    def test_write_is_seen_through_a_map(self):
        self.make("f", bytes(8192))
        view = self.map(8192)
        self.assertEqual(view[100:103], b"\0\0\0")
        fd = os.open(self.path("f"), os.O_WRONLY)
        os.pwrite(fd, b"new", 100)
        os.close(fd)
        self.assertEqual(view[100:103], b"new")

    def test_what_a_map_wrote_is_read(self):
        self.make("f", bytes(8192))
        view = self.map(8192)
        view[4000:4003] = b"new"
        self.assertEqual(self.read("f")[4000:4003], b"new")

    def test_two_processes_share_a_map(self):
        self.make("f", bytes(4096))
        view = self.map(4096)

        def child():
            view[10:15] = b"child"
        in_child(child)
        self.assertEqual(view[10:15], b"child")

    def test_the_tail_of_the_last_page_reads_as_zeros(self):
        self.make("f", b"abc")
        self.assertEqual(self.map(3)[:], b"abc")

    def test_a_grown_file_can_be_mapped_anew(self):
        self.make("f", b"a" * 4096)
        with open(self.path("f"), "ab") as f:
            f.write(b"b" * 4096)
        self.assertEqual(self.map(8192)[4096:4100], b"bbbb")

    def test_a_map_of_a_hole(self):
        self.make("f")
        os.truncate(self.path("f"), 4 * MIB)
        view = self.map(4 * MIB)
        view[3 * MIB] = 7
        view.flush()
        self.assertEqual((view[2 * MIB], self.read("f")[3 * MIB]), (0, 7))

    def test_access_beyond_the_end_is_SIGBUS(self):
        import signal
        self.make("f", b"a" * 8192)
        fd = os.open(self.path("f"), os.O_RDWR)
        pid = os.fork()
        if pid == 0:
            try:
                view = mmap.mmap(fd, 8192)
                os.ftruncate(fd, 10)
                view[8000]
            finally:
                os._exit(0)
        os.close(fd)
        _, status = os.waitpid(pid, 0)
        self.assertEqual((os.WIFSIGNALED(status), os.WTERMSIG(status)), (True, signal.SIGBUS))

    def test_sqlite_in_wal_mode_works_on_the_store(self):
        import sqlite3
        db = sqlite3.connect(self.path("meetings.db"))
        self.assertEqual(db.execute("pragma journal_mode=wal").fetchone()[0], "wal")
        db.execute("create table m (id integer primary key, name text)")
        for i in range(50):
            with db:
                db.execute("insert into m (name) values (?)", (f"meeting {i}",))
        self.assertEqual(db.execute("select count(*) from m").fetchone()[0], 50)
        self.assertEqual(db.execute("pragma integrity_check").fetchone()[0], "ok")
        db.close()


if __name__ == "__main__":
    unittest.main()
