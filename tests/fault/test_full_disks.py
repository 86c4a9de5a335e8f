"""Every disk is full: the calls that need room say ENOSPC, and soon; what was acknowledged stays; when there is room all goes on.

Fault model: two storage servers and the catalog, each on a small filesystem of its own, that somebody else fills to the last block
and empties again. Survival is expected because a refused change is refused on both replicas, and because no change of the catalog is
half made.
"""
import errno
import fcntl
import mmap
import os
import unittest

from vcfs_test.disks import SmallDisk
from vcfs_test.expand import each, expand
from vcfs_test.files import pattern, sha256
from vcfs_test.hosts import HostCluster
from vcfs_test.wait import wait_for

MEGABYTES = 100
MIB = 1 << 20
SYNCED = pattern(3 * MIB)


class FullDisks(unittest.TestCase):
    time_limit = 120

    def setUp(self):
        names = ("s1", "s2", "catalog-disk")
        self.disks = dict.fromkeys(names)
        self.cluster = HostCluster(storages=2, disks=self.disks, storage_options=("--reserve", "0"), tracker_options=("--min-free", "0", "--trash-retention", "0s"),
                                   catalog=lambda c: f"sqlite:{self.disks['catalog-disk'].path}/catalog.db")
        self.addCleanup(self.close)
        for name in names:
            self.disks[name] = self.cluster.closing(SmallDisk(self.cluster.scratch.path, f"disk-{name}", MEGABYTES))
        self.cluster.use_disks({name: self.disks[name].path / "data" for name in names[:2]})
        self.cluster.up()
        self.top = self.cluster.mount

    def close(self):
        failed = any(test is self for test, _ in self._outcome.result.failures + self._outcome.result.errors)
        self.cluster.close(keep_logs_as=self.id() if failed else None)

    def fill_storages(self, leave=0):
        for name in ("s1", "s2"):
            self.disks[name].fill(leave)

    def free(self):
        for disk in self.disks.values():
            disk.free()

    def file_with_synced_bytes(self):
        fd = os.open(self.top / "f", os.O_RDWR | os.O_CREAT)
        self.addCleanup(os.close, fd)
        os.write(fd, SYNCED)
        os.fsync(fd)
        return fd

    def assert_refused(self, change, *args):
        with self.assertRaises(OSError) as raised:
            change(*args)
        self.assertEqual(errno.errorcode[raised.exception.errno], "ENOSPC")

    def assert_refused_and_heard(self, change, fd):
        self.assert_refused(change, fd)
        hear(fd)

    def assert_goes_on(self, change, *args):
        """When there is room again. It may take the trackers a heartbeat to hear of it."""
        def possible():
            change(*args)
            return True
        wait_for(possible, 40, "the change, now that there is room")

    def assert_file_goes_on(self, change, fd):
        """Each attempt may still be refused, and leave an error to be heard before the next."""
        def hear_and_change():
            hear(fd)
            change(fd)
        self.assert_goes_on(hear_and_change)

    def assert_nothing_lost(self, path="f", begins_with=SYNCED):
        """On every host, on every replica."""
        self.assertTrue((self.top / path).read_bytes().startswith(begins_with), "bytes that were synced are gone")
        self.cluster.wait_in_sync(f"/{path}")
        self.assertEqual({sha256(p) for p in self.cluster.replica_paths(f"/{path}")}, {sha256(self.top / path)})
        self.assertEqual(self.cluster.json("fsck", "--deep", timeout=60)["problems"], [])


def hear(fd):
    """fsync tells once more what a write told, since a large write may hide it: bytes are lost. Who heard it begins anew."""
    try:
        os.fsync(fd)
    except OSError as e:
        if e.errno != errno.ENOSPC:
            raise


def append(fd):
    """20 MiB and fsync."""
    for _ in range(20):
        os.pwrite(fd, bytes(b"x" * MIB), os.fstat(fd).st_size)
    os.fsync(fd)


def allocate(fd):
    os.posix_fallocate(fd, 0, 20 * MIB)


def write_through_a_map(fd):
    os.ftruncate(fd, 24 * MIB)
    with mmap.mmap(fd, 24 * MIB) as view:
        view[4 * MIB:] = b"y" * (20 * MIB)
        view.flush()


def overwrite_a_hole(fd):
    os.ftruncate(fd, 24 * MIB)
    os.pwrite(fd, b"z" * (16 * MIB), 4 * MIB)
    os.fsync(fd)


def lose_bytes(fd):
    """Some are in the window of the mount, or were refused. Stops where write says so."""
    try:
        for i in range(20):
            os.pwrite(fd, b"x" * MIB, len(SYNCED) + i * MIB)
    except OSError as e:
        if e.errno != errno.ENOSPC:
            raise


def unlock(fd, path):
    fcntl.flock(fd, fcntl.LOCK_UN)
    with open(path, "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def touch(fd, path):
    os.utime(path, (1, 2))
    if os.stat(path).st_mtime != 2:
        raise AssertionError("its time was not set")


@expand
class OpenFile(FullDisks):
    @each([("append", append), ("fallocate", allocate), ("map", write_through_a_map), ("hole", overwrite_a_hole)])
    def test_no_room_for(self, change):
        fd = self.file_with_synced_bytes()
        self.fill_storages(leave=2 * MIB)
        self.assert_refused_and_heard(change, fd)
        self.free()
        self.assert_file_goes_on(change, fd)
        self.assert_nothing_lost()

    def test_what_needs_no_room_is_done_on_full_disks(self):
        fd = self.file_with_synced_bytes()
        self.fill_storages()
        os.pwrite(fd, b"over", 100)
        os.fsync(fd)
        os.ftruncate(fd, 2 * MIB)
        (self.top / "directory").mkdir()
        os.rename(self.top / "f", self.top / "directory" / "g")
        self.free()
        self.assert_nothing_lost("directory/g", SYNCED[:100] + b"over" + SYNCED[104:2 * MIB])

    @each([("unlock", unlock), ("touch", touch)])
    def test_an_error_is_the_writers_also_after(self, call):
        fd = self.file_with_synced_bytes()
        fcntl.flock(fd, fcntl.LOCK_EX)
        self.fill_storages(leave=2 * MIB)
        lose_bytes(fd)
        call(fd, self.top / "f")
        self.assert_refused(os.fsync, fd)

    def test_deleting_a_file_makes_room(self):
        with open(self.top / "large", "wb") as f:
            f.write(b"l" * (30 * MIB))
        fd = self.file_with_synced_bytes()
        self.fill_storages(leave=2 * MIB)
        self.assert_refused_and_heard(append, fd)
        (self.top / "large").unlink()
        self.assert_file_goes_on(append, fd)
        self.assert_nothing_lost()


    def test_fallocate_without_room_leaves_the_size(self):
        fd = self.file_with_synced_bytes()
        self.fill_storages(leave=2 * MIB)
        self.assert_refused(allocate, fd)
        self.assertEqual(os.fstat(fd).st_size, len(SYNCED))
        self.assertEqual({os.stat(p).st_size for p in self.cluster.replica_paths("/f")}, {len(SYNCED)})

    def test_file_is_closed_though_what_says_so_has_no_room(self):
        """With a path of this length the attribute fits into the inode of ext4 only as long as the file is open."""
        name = "a meeting"
        fd = os.open(self.top / name, os.O_RDWR | os.O_CREAT)
        os.write(fd, SYNCED)
        os.fsync(fd)
        for server in ("s1", "s2"):
            self.disks[server].fill_to_the_last_block()
        os.close(fd)

        def is_closed():
            paths = self.cluster.replica_paths(f"/{name}")
            return len(paths) == 2 and all(b" s=c " in os.getxattr(p, "user.vcfs") for p in paths)
        wait_for(is_closed, 20, "both replicas to be closed")
        self.free()
        self.assert_nothing_lost(name)


class NewNames(FullDisks):
    def test_new_files_are_refused_while_no_storage_server_has_room(self):
        self.fill_storages()

        def is_refused():  # once the trackers have heard how full the disks are
            try:
                (self.top / "new").write_bytes(b"n" * 100_000)
            except OSError as e:
                return errno.errorcode[e.errno] == "ENOSPC"
            return False
        wait_for(is_refused, 40, "new files to be refused")
        self.free()
        self.assert_goes_on((self.top / "new").write_bytes, b"n" * 100_000)
        self.assert_nothing_lost("new", b"n" * 100_000)

    def test_full_disk_of_the_catalog_refuses_names_and_open_files_go_on(self):
        fd = self.file_with_synced_bytes()
        self.disks["catalog-disk"].fill()

        def make_many():
            for i in range(20_000):
                (self.top / f"directory with a name that takes room {i:06}").mkdir(exist_ok=True)
        self.assert_refused(make_many)
        made = len(os.listdir(self.top))
        append(fd)
        self.free()
        self.assert_goes_on((self.top / "later").mkdir)
        self.assertEqual(len(os.listdir(self.top)), made + 1)
        self.assert_nothing_lost()


if __name__ == "__main__":
    unittest.main()
