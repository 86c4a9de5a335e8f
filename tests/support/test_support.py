"""The helpers themselves: a checker that cannot fail proves nothing."""
import os
import tempfile
import time
import unittest

from vcfs_test import reaper, records
from vcfs_test.expand import each, expand
from vcfs_test.identity import as_user
from vcfs_test.metrics import Metrics
from vcfs_test.ports import PortRange
from vcfs_test.scratch import Scratch
from vcfs_test.wait import Deadline, wait_for


class Records(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.file = os.path.join(self.folder.name, "f")
        self.written = records.Recorder(self.file, seconds=0.3, rate=3_000_000, fsync=100).result()

    def spoil(self, offset, data):
        with open(self.file, "r+b") as f:
            f.seek(offset)
            f.write(data)

    def test_a_sound_file_verifies(self):
        self.assertEqual(records.verify(self.file)["bad"], 0)
        self.assertEqual(records.verify(self.file)["records"], self.written["records"])

    def test_one_wrong_byte_is_found(self):
        self.spoil(3 * 32768 + 1001, b"\xfe")
        result = records.verify(self.file)
        self.assertEqual((result["bad"], result["first_bad_offset"]), (1, 3 * 32768 + 1000))

    def test_zeros_are_told_from_other_wrong_bytes(self):
        self.spoil(32768 + 4096, bytes(4096))
        result = records.Follower(self.file, idle=0.2).result()
        self.assertEqual((result["zeros"], result["wrong"]), (1, 0))

    def test_holes_are_bad_but_where_they_are_allowed(self):
        self.spoil(32768, bytes(32768))
        self.spoil(2 * 32768 + 8000, bytes(4096))
        self.assertEqual(records.verify(self.file)["bad"], 2)
        result = records.verify(self.file, holes=(1, 2))
        self.assertEqual((result["bad"], result["holes"], result["first_bad_offset"]), (1, 1, 2 * 32768 + 8000))
        result = records.verify(self.file, holes=(1, 3))
        self.assertEqual((result["bad"], result["holes"]), (0, 2))

    def test_a_wrong_byte_beside_a_hole_is_found(self):
        self.spoil(32768, bytes(4096) + b"\xfe")
        self.assertEqual(records.verify(self.file, holes=(0, 3))["bad"], 1)

    def test_a_missing_tail_is_found(self):
        os.truncate(self.file, 2 * 32768 + 5)
        self.assertEqual(records.verify(self.file)["partial"], 5)

    def test_a_follower_sees_every_record_of_a_growing_file(self):
        growing = self.file + "2"
        recorder = records.Recorder(growing, seconds=0.5, rate=3_000_000)
        follower = records.Follower(growing, idle=1)
        written, seen = recorder.result(), follower.result()
        self.assertEqual(seen["records"], written["records"])
        self.assertLess(seen["age"]["p99_ms"], 100)

    def test_a_follower_notices_a_shrinking_file(self):
        follower = records.Follower(self.file, idle=1)
        size = os.path.getsize(self.file)
        while follower.process.poll() is None:  # whenever it looks, it sees one size and then a smaller one
            os.truncate(self.file, size + 32768)
            time.sleep(0.02)
            os.truncate(self.file, size)
            time.sleep(0.02)
        self.assertGreater(follower.result()["shrinks"], 0)


EXPOSITION = '# HELP a_total Things [1]\n# TYPE a_total counter\na_total 7\n# HELP b Room [1]\n# TYPE b gauge\nb{x="1\\"\\n",y=""} 5\nb 6\n'

SPOILED = [
    ("without_an_end", "b 6\n", "b 6"),
    ("without_a_help", "# HELP b Room [1]\n", ""),
    ("without_a_type", "# TYPE b gauge\n", ""),
    ("type_twice", "# TYPE b gauge\n", "# TYPE b gauge\n# TYPE b gauge\n"),
    ("counter_without_total", "b gauge", "b counter"),
    ("sample_twice", "b 6\n", "b 6\nb 7\n"),
    ("sample_elsewhere", "b 6\n", "b 6\na_total 8\n"),
    ("label_twice", 'y=""', 'x=""'),
    ("quote_not_escaped", '1\\"', '1"'),
    ("unknown_escape", "\\n", "\\t"),
    ("no_number", "b 6", "b six"),
    ("empty_line", "b 6\n", "b 6\n\n"),
]


@expand
class Expositions(unittest.TestCase):
    def test_a_sound_one_is_read(self):
        m = Metrics(EXPOSITION)
        self.assertEqual((m.value("a_total"), m.value("b"), m.value("b", x='1"\n', y="")), (7, 6, 5))
        self.assertEqual(m.find("b", y=""), [({"x": '1"\n', "y": ""}, 5)])
        self.assertIsNone(m.value("c"))

    @each(SPOILED)
    def test_refused(self, old, new):
        self.assertIn(old, EXPOSITION)
        with self.assertRaises(ValueError):
            Metrics(EXPOSITION.replace(old, new, 1))


class Plumbing(unittest.TestCase):
    def test_waiting_ends_at_the_deadline(self):
        with self.assertRaises(Deadline):
            wait_for(lambda: False, 0.1)

    def test_port_ranges_do_not_overlap(self):
        a, b = PortRange(), PortRange()
        self.addCleanup(a.release)
        self.addCleanup(b.release)
        self.assertNotEqual(a.base, b.base)

    def test_scratch_ends_processes_that_use_it(self):
        import subprocess
        scratch = Scratch()
        victim = subprocess.Popen(["sh", "-c", "sleep 60; :", str(scratch.path)], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)  # its orphan must not keep the test's own output open
        wait_for(lambda: victim.pid in reaper.processes_naming(str(scratch.path)))
        scratch.close()
        self.assertEqual(victim.wait(5), -9)
        self.assertFalse(scratch.path.exists())

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_another_users_error_comes_back(self):
        with self.assertRaises(PermissionError):
            as_user(12345, os.mkdir, "/root-only-directory")

    def test_tables_become_one_test_per_row(self):
        @expand
        class Family:
            @each([("first row", 1), ("second row", 2)])
            def test_it(self, number):
                return number
        self.assertEqual([Family().test_it_first_row(), Family().test_it_second_row()], [1, 2])


if __name__ == "__main__":
    unittest.main()
