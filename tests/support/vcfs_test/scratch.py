"""A scratch directory that is cleaned up whatever happens: at the end, on failure, and by a guard when we are killed."""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import env, memdisk, reaper


class Scratch:
    """On a disk in memory (see memdisk) where this machine can have one, unless VCFS_TEST_SCRATCH names another place."""

    def __init__(self, name="vcfs-test", in_memory=True):
        self.path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=env.SCRATCH))
        self._guard = subprocess.Popen([sys.executable, reaper.__file__, str(self.path)], stdin=subprocess.PIPE,
                                       start_new_session=True)
        self._in_memory = in_memory and not env.SCRATCH_GIVEN and memdisk.possible()
        if self._in_memory:
            memdisk.mount(self.path)
        os.chmod(self.path, 0o755)

    def disk(self, name):
        """A directory on a disk of its own, where this one is in memory: the sync of one server's disk holds up no other's."""
        place = self.path / "disks" / name
        place.mkdir(parents=True)
        if self._in_memory:
            memdisk.mount(place)
        return place

    def close(self):
        """Kills what still names the directory, unmounts below it, removes it."""
        if self._guard is None:
            return
        reaper.clean_up(str(self.path), keep=(os.getpid(), self._guard.pid))
        reaper.remove(str(self.path))
        self._guard.stdin.write(b"done\n")
        self._guard.stdin.close()
        self._guard.wait()
        self._guard = None

    def keep_logs(self, name):
        """Copies the logs of daemons (small ordinary files ending in .log, or in a folder `log`) into the build tree."""
        target = env.LOGS / name
        shutil.rmtree(target, ignore_errors=True)
        for file in _log_files(self.path):
            copy = target / file.relative_to(self.path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        return target


def _log_files(top):
    mounts = set(reaper.mounts_below(str(top)))
    for folder, folders, files in os.walk(top):
        folders[:] = [f for f in folders if f"{folder}/{f}" not in mounts]
        for file in files:
            path = Path(folder) / file
            if file.endswith((".log", ".toml", ".json")) or Path(folder).name in ("log", "logs"):
                if path.is_file() and path.stat().st_size < 64 << 20:
                    yield path
