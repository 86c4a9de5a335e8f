"""A second mount (a stand-in for a second host) follows what the first one writes."""
import errno
import os
import threading
import unittest

from vcfs_test import env, shared
from vcfs_test.files import pattern
from vcfs_test.records import Follower, Recorder
from vcfs_test.wait import wait_for


class TwoMounts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = shared.cluster()
        cls.a = cls.cluster.mount / "two"
        cls.a.mkdir(exist_ok=True)
        point = cls.cluster.mount_again("second-host")
        cls.addClassCleanup(cls.cluster.unmount, point)
        cls.b = point / "two"

    def follow(self, name, records=None, **options):
        """Records on A, follows on B; returns what both measured, after checking every byte."""
        done = self.cluster.scratch.path / f"done-{name}"
        recorder = Recorder(self.a / name, **options)
        self.addCleanup(recorder.close)
        block = options.get("block", 32768)
        follower = Follower(self.b / name, block=block, done_file=str(done), poll=2)
        self.addCleanup(follower.close)
        written = recorder.result()
        done.touch()
        seen = follower.result()
        self.assertEqual((written["errors"], written["first_error"]), (0, ""))
        self.assertEqual((seen["zeros"], seen["wrong"], seen["errors"], seen["shrinks"], seen["partial"]), (0, 0, 0, 0, 0), seen)
        self.assertEqual(seen["records"], written["records"])
        print(f"{name}: age of a record p50 {seen['age']['p50_ms']:.1f} p99 {seen['age']['p99_ms']:.1f} max"
              f" {seen['age']['max_ms']:.1f} ms", flush=True)
        return written, seen

    def test_each_record_of_a_4_mbit_recorder_is_seen_within_100_ms(self):
        _, seen = self.follow("paced", seconds=env.seconds(10))
        self.assertLess(seen["age"]["p99_ms"], 100)

    def test_a_trickle_of_small_records_is_seen_within_100_ms(self):
        _, seen = self.follow("trickle", seconds=5, rate=6400, block=320)
        self.assertLess(seen["age"]["p99_ms"], 100)

    def test_a_fast_writer_is_followed_without_zeros(self):
        self.follow("fast", seconds=3, rate=60_000_000, block=65536)

    def test_a_writer_that_syncs_is_followed(self):
        _, seen = self.follow("syncing", seconds=5, fsync=200)
        self.assertLess(seen["age"]["p99_ms"], 150)

    def test_ten_recorders_are_followed_at_once(self):
        results, threads = [], []

        def one(i):
            results.append(self.follow(f"many-{i}", seconds=5, stream=1)[1]["age"]["p99_ms"])
        for i in range(10):
            threads.append(threading.Thread(target=one, args=(i,)))
            threads[-1].start()
        for t in threads:
            t.join()
        self.assertEqual(len(results), 10)
        self.assertLess(sorted(results)[8], 150)

    # ---- close-to-open and names

    def test_close_to_open(self):
        for i in range(200):
            (self.a / "handover").write_bytes(pattern(5000, key=i))
            self.assertEqual((self.b / "handover").read_bytes(), pattern(5000, key=i), f"round {i}")

    def test_a_new_file_is_seen_at_once_after_close(self):
        for i in range(50):
            (self.a / f"new-{i}").write_bytes(b"%d" % i)
            self.assertEqual((self.b / f"new-{i}").read_bytes(), b"%d" % i)

    def test_a_new_file_goes_on_after_one_of_two_descriptors_is_closed(self):
        """The close of a small new file seals it with its bytes; a duplicate of the descriptor opens it again."""
        for i in range(20):
            fd = os.open(self.a / f"dup-{i}", os.O_CREAT | os.O_WRONLY)
            os.write(fd, b"head")
            twin = os.dup(fd)
            os.close(fd)
            self.assertEqual((self.b / f"dup-{i}").read_bytes(), b"head")
            os.write(twin, b"-tail")
            os.fsync(twin)
            self.assertEqual(self.cluster.stat(f"/two/dup-{i}")["state"], "open")
            self.assertEqual((self.b / f"dup-{i}").read_bytes(), b"head-tail")
            os.close(twin)
            self.assertEqual((self.b / f"dup-{i}").read_bytes(), b"head-tail")
            self.cluster.wait_state(f"/two/dup-{i}", "closed", 10)

    def test_no_host_denies_a_name_that_another_has_made(self):
        """A mount that makes many names in a directory denies others by itself, until somebody else makes one there."""
        (self.a / "leased").mkdir()
        for i in range(100):
            for j in range(5):
                (self.a / "leased" / f"a{i}-{j}").touch()
            (self.b / "leased" / f"b{i}").mkdir()
            self.assertTrue((self.a / "leased" / f"b{i}").exists(), f"round {i}")
            os.rename(self.b / "leased" / f"b{i}", self.b / "leased" / f"c{i}")
            self.assertTrue((self.a / "leased" / f"c{i}").exists(), f"round {i}")

    def test_a_renamed_hard_link_to_the_same_inode_stays(self):
        folder = self.a / "twins"
        folder.mkdir()
        for i in range(10):
            (folder / f"one-{i}").touch()
            os.link(folder / f"one-{i}", folder / f"two-{i}")
            os.rename(folder / f"one-{i}", folder / f"two-{i}")
            self.assertTrue((folder / f"one-{i}").exists())

    def test_size_is_never_ahead_of_the_bytes(self):
        stop = threading.Event()

        def write():
            with open(self.a / "ahead", "wb", buffering=0) as f:
                while not stop.is_set():
                    f.write(b"\xaa" * 10_000)
        writer = threading.Thread(target=write)
        writer.start()
        try:
            wait_for(lambda: (self.b / "ahead").exists(), 5)
            for _ in range(100):
                with open(self.b / "ahead", "rb", buffering=0) as f:
                    size = os.fstat(f.fileno()).st_size
                    at = max(0, size - 4096)
                    tail = os.pread(f.fileno(), size - at, at)
                    self.assertEqual(len(tail), size - at)
                    self.assertEqual(tail.strip(b"\xaa"), b"")
        finally:
            stop.set()
            writer.join()

    def seen_within(self, seconds, predicate, what):
        wait_for(predicate, seconds, what, interval=0.005)

    def test_removed_renamed_and_changed_names_are_seen_within_a_second(self):
        (self.a / "n1").write_bytes(b"x")
        self.assertEqual((self.b / "n1").read_bytes(), b"x")
        os.rename(self.a / "n1", self.a / "n2")
        self.seen_within(1, lambda: not (self.b / "n1").exists() and (self.b / "n2").exists(), "the new name")
        os.chmod(self.a / "n2", 0o600)
        self.seen_within(1, lambda: (self.b / "n2").stat().st_mode & 0o777 == 0o600, "the new mode")
        os.unlink(self.a / "n2")
        self.seen_within(1, lambda: not (self.b / "n2").exists(), "the removal")
        os.mkdir(self.a / "folder")
        self.seen_within(1, lambda: (self.b / "folder").is_dir(), "the folder")

    def test_a_listing_shows_new_entries_within_a_second(self):
        os.makedirs(self.a / "list", exist_ok=True)
        os.listdir(self.b / "list")
        (self.a / "list/entry").write_bytes(b"")
        self.seen_within(1, lambda: "entry" in os.listdir(self.b / "list"), "the entry")

    def test_an_absent_name_that_appears(self):
        self.assertFalse((self.b / "appears").exists())
        (self.a / "appears").write_bytes(b"x")
        self.seen_within(1, lambda: (self.b / "appears").exists(), "the new name")

    def test_truncation_is_seen_by_an_open_reader(self):
        (self.a / "cut").write_bytes(b"x" * 100_000)
        with open(self.b / "cut", "rb", buffering=0) as f:
            self.assertEqual(len(f.read()), 100_000)
            os.truncate(self.a / "cut", 10)
            self.seen_within(1, lambda: os.fstat(f.fileno()).st_size == 10, "the new size")
            self.assertEqual(os.pread(f.fileno(), 100, 0), b"x" * 10)

    def test_an_overwritten_byte_is_seen_by_an_open_reader(self):
        (self.a / "patch").write_bytes(b"x" * 100_000)
        with open(self.b / "patch", "rb", buffering=0) as f:
            self.assertEqual(os.pread(f.fileno(), 3, 50_000), b"xxx")
            fd = os.open(self.a / "patch", os.O_WRONLY)
            os.pwrite(fd, b"NEW", 50_000)
            os.close(fd)
            self.seen_within(1, lambda: os.pread(f.fileno(), 3, 50_000) == b"NEW", "the new bytes")

    def test_a_file_removed_on_one_host_is_read_to_its_end_on_the_other(self):
        (self.a / "gone").write_bytes(pattern(2_000_000))
        with open(self.b / "gone", "rb", buffering=0) as f:
            first = f.read(1000)
            os.unlink(self.a / "gone")
            data = first
            while piece := f.read(1 << 20):
                data += piece
            self.assertEqual(data, pattern(2_000_000))

    def test_a_file_replaced_on_one_host_is_read_to_its_end_on_the_other(self):
        (self.a / "old").write_bytes(pattern(2_000_000))
        (self.a / "fresh").write_bytes(b"new")
        with open(self.b / "old", "rb", buffering=0) as f:
            data = f.read(1000)
            os.rename(self.a / "fresh", self.a / "old")
            while piece := f.read(1 << 20):
                data += piece
        self.assertEqual(data, pattern(2_000_000))
        self.seen_within(1, lambda: (self.b / "old").read_bytes() == b"new", "the new file")

    def test_rm_r_with_files_open_on_the_other_host(self):
        os.makedirs(self.a / "tree/sub")
        for i in range(5):
            (self.a / f"tree/sub/f{i}").write_bytes(pattern(10_000, key=i))
        files = [open(self.b / f"tree/sub/f{i}", "rb", buffering=0) for i in range(5)]
        import subprocess
        subprocess.run(["rm", "-r", str(self.a / "tree")], check=True, timeout=30)
        for i, f in enumerate(files):
            self.assertEqual(os.pread(f.fileno(), 20_000, 0), pattern(10_000, key=i))
            f.close()

    # ---- two writers

    def test_two_hosts_writing_different_places_both_survive(self):
        (self.a / "both").write_bytes(bytes(2_000_000))
        with open(self.a / "both", "r+b", buffering=0) as fa, open(self.b / "both", "r+b", buffering=0) as fb:
            for i in range(50):
                os.pwrite(fa.fileno(), b"A" * 10_000, i * 20_000)
                os.pwrite(fb.fileno(), b"B" * 10_000, i * 20_000 + 10_000)
        expected = (b"A" * 10_000 + b"B" * 10_000) * 50 + bytes(1_000_000)
        self.assertEqual((self.a / "both").read_bytes(), expected)
        self.assertEqual((self.b / "both").read_bytes(), expected)

    def test_appends_from_two_hosts_lose_nothing(self):
        (self.a / "append").write_bytes(b"")

        def append(where, letter):
            with open(where / "append", "ab", buffering=0) as f:
                for i in range(100):
                    f.write(b"%s%07d" % (letter, i))
        threads = [threading.Thread(target=append, args=x) for x in ((self.a, b"a"), (self.b, b"b"))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        data = (self.a / "append").read_bytes()
        found = sorted(data[i:i + 8] for i in range(0, len(data), 8))
        self.assertEqual(found, sorted(b"%s%07d" % (x, i) for x in (b"a", b"b") for i in range(100)))

    def test_exclusive_creation_is_won_by_one_host(self):
        wins = []

        def create(where, who):
            for i in range(50):
                try:
                    os.close(os.open(where / f"prize-{i}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                    wins.append((i, who))
                except FileExistsError:
                    pass
        threads = [threading.Thread(target=create, args=x) for x in ((self.a, "a"), (self.b, "b"))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(i for i, _ in wins), list(range(50)))

    def test_rename_races_leave_exactly_one(self):
        for i in range(20):
            (self.a / f"src-{i}").write_bytes(b"x")
        errors = []

        def move(where, target):
            for i in range(20):
                try:
                    os.rename(where / f"src-{i}", where / f"{target}-{i}")
                except OSError as e:
                    if e.errno != errno.ENOENT:
                        errors.append(e)
        threads = [threading.Thread(target=move, args=x) for x in ((self.a, "toa"), (self.b, "tob"))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(errors, [])
        left = [n for n in os.listdir(self.a) if n.startswith(("toa-", "tob-", "src-"))]
        self.assertEqual(sorted(n.split("-")[1] for n in left), sorted(str(i) for i in range(20)))


if __name__ == "__main__":
    unittest.main()
