"""A disk that a test can fill and break: ext4 on a loop device in memory, so that its fsync takes no time of its own."""
import errno
import fcntl
import itertools
import os
import struct
import subprocess

EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
FLUSH_LOG = 1                   # what was committed stays; everything after is an I/O error


class SmallDisk:
    """`path` is its mount point, below the scratch directory; close() takes it away."""

    def __init__(self, scratch, name, megabytes):
        self.memory = scratch / f"{name}-memory"
        self.image = self.memory / "image"
        self.path = scratch / name
        self.path.mkdir()
        self.memory.mkdir()
        self._run("mount", "-t", "tmpfs", "-o", f"size={megabytes + 1}m", "tmpfs", str(self.memory))
        with open(self.image, "wb") as f:
            f.truncate(megabytes << 20)
        self._run("mkfs.ext4", "-q", "-m", "0", str(self.image))
        self.mount()

    @staticmethod
    def _run(*line):
        result = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
        if result.returncode != 0:
            raise AssertionError(f"{' '.join(line)}: {result.stderr}")

    def mount(self):
        self._run("mount", "-o", "loop", str(self.image), str(self.path))

    def unmount(self):
        self._run("umount", str(self.path))

    def fill(self, leave=0):
        """Takes all room but `leave` bytes."""
        self.free()
        room = os.statvfs(self.path)
        with open(self.path / "filler", "wb") as f:
            os.posix_fallocate(f.fileno(), 0, max(4096, room.f_bavail * room.f_bsize - leave - 65536))

    def fill_to_the_last_block(self):
        """fill() leaves some blocks: each attribute that does not fit into its inode takes one."""
        self.fill()
        try:
            for number in itertools.count():
                path = self.path / f"filler-{number}"
                path.touch()
                os.setxattr(path, "user.filler", bytes(300) + str(number).encode())
        except OSError as e:
            if e.errno != errno.ENOSPC:
                raise

    def free(self):
        for path in self.path.glob("filler*"):
            path.unlink()

    def make_read_only(self):
        """As the kernel does after it found damage: every change is refused."""
        self._run("mount", "-o", "remount,abort", str(self.path))

    def fail(self):
        """Every operation that reaches the disk is an I/O error from now on; what was synced is there after mount()."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", FLUSH_LOG))
        finally:
            os.close(fd)

    def close(self):
        for path in (self.path, self.memory):
            subprocess.run(["umount", "-l", str(path)], check=False, stderr=subprocess.DEVNULL)
