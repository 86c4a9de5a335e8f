"""The database's answers to three trackers are lost again and again while names are made, linked, moved and removed.

Fault model: for a few seconds at a time no packet of the database's host reaches a tracker, while those of the trackers reach it:
what they had sent is carried out, and nobody hears of it. All else is well.
Survival is expected because each change is committed together with its request's id, so that whoever repeats it finds it done.
"""
import os
import time
import unittest

from fault_case import HUNG_MS
from test_tracker_faults import TrackersCase
from vcfs_test import env
from vcfs_test.beside import Beside
from vcfs_test.wait import wait_for

ROUNDS = 4
DEAF_SECONDS = 2.5
WORKERS = 4
STALL_LIMIT_MS = 30_000
FILES_OF_A_ROUND = 20


class Worker(Beside):
    """Gives files and directories names until stop() and remembers what is there then: {name: (content, links)}, None for a
    directory. Its directory is one that others work in, too."""

    def __init__(self, directory, number):
        self.left, self.errors, self.longest_ms, self.done = {}, [], 0.0, 0
        self._directory, self._number = directory, number
        super().__init__()

    def stop(self):
        self.join()
        return self

    def turn(self):
        try:
            self._one_file(f"{self._number}-{self.done}")
        except OSError as e:
            self.errors.append(f"file {self.done} of worker {self._number}: {e}")
        self.done += 1
        return not self.errors

    def _call(self, function, *arguments):
        begin = time.monotonic()
        try:
            return function(*arguments)
        finally:
            self.longest_ms = max(self.longest_ms, (time.monotonic() - begin) * 1000)

    def _one_file(self, tag):
        """It ends with two names, one of which it got by a link that was renamed; a third name and a fourth file are removed."""
        first, linked, moved, removed, folder = (
            f"{self._directory}/{kind}{tag}" for kind in ("first", "linked", "moved", "removed", "folder"))
        content = tag.encode()
        fd = self._call(os.open, first, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        self._call(os.write, fd, content)
        self._call(os.close, fd)
        self._call(os.link, first, linked)
        self._call(os.link, first, removed)
        self._call(os.rename, linked, moved)
        self._call(os.unlink, removed)
        self._call(os.mkdir, removed)
        self._call(os.rename, removed, folder)
        if self.done % 2:
            self._call(os.rmdir, folder)
        else:
            self.left[os.path.basename(folder)] = (None, 2)
        self.left[os.path.basename(first)] = self.left[os.path.basename(moved)] = (content, 2)


class UnknownCommits(TrackersCase):

    def work(self, directory):
        directory.mkdir()
        workers = [Worker(directory, i) for i in range(WORKERS)]
        for worker in workers:
            self.addCleanup(worker.stop)
        return workers

    def deafen(self):
        """The database hears the trackers; they do not hear it."""
        for i in range(3):
            self.cluster.host(f"tracker{i}").deaf_to(self.cluster.host("db"))
        time.sleep(DEAF_SECONDS)
        self.cluster.network.heal()

    def wait_for_files(self, workers, more=FILES_OF_A_ROUND):
        start = sum(worker.done for worker in workers)
        wait_for(lambda: sum(worker.done for worker in workers) >= start + more or any(w.errors for w in workers), 30,
                 f"{more} more files")

    def found(self, directory):
        """As Worker.left, read on another host."""
        there = {}
        for path in directory.iterdir():
            there[path.name] = (None if path.is_dir() else path.read_bytes(), path.stat().st_nlink)
        return there

    def assert_nothing_left_over(self, objects):
        """Every inode has its names, or waits in the trash; `objects`: those with a name."""
        self.assertEqual(self.cluster.json("fsck", timeout=60)["problems"], [])
        count = self.cluster.databases[0].sql("SELECT COUNT(*) FROM vcfs.inodes WHERE nlink > 0")
        self.assertEqual(int(count), objects)

    def test_names_are_made_moved_and_removed_once(self):
        self.start_recording()
        workers = self.work(self.cluster.mount / "names")
        self.wait_for_files(workers)
        for _ in range(ROUNDS):
            self.deafen()
            self.wait_for_files(workers)
        left = {}
        for worker in workers:
            left |= worker.stop().left
        longest = max(worker.longest_ms for worker in workers)
        print(f"{self._testMethodName}: {len(left)} names, longest call {longest:.0f} ms", flush=True)
        self.assertEqual([error for worker in workers for error in worker.errors], [])
        self.assertLess(longest, STALL_LIMIT_MS * env.SLOWDOWN)
        self.assertEqual(self.found(self.other / "names"), left)
        self.finish(HUNG_MS)
        files = sum(1 for content, _ in left.values() if content) // 2
        folders = sum(1 for content, _ in left.values() if not content)
        self.assert_nothing_left_over(objects=files + folders + len(["/", "meeting", "rec.bin", "names"]))


if __name__ == "__main__":
    unittest.main()
