"""Where the programs, the helpers and the scratch space of this run are.

VCFS_BUILD_DIR   the build tree whose programs are tested (ctest sets it)
VCFS_TEST_DIR    run the tests of a mounted directory on this directory instead of on a cluster's mount
VCFS_TEST_SCRATCH  scratch directories are made here instead of on disks in memory
VCFS_TEST_SECONDS  length of the long-running recordings (default: short)
VCFS_TEST_SEED   seed of the random tests (default: drawn, and printed)
"""
import os
import random
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3]


def _build_dir():
    given = os.environ.get("VCFS_BUILD_DIR")
    if given:
        return Path(given).resolve()
    for preset in ("release", "dev"):
        if (SOURCE / "build" / preset / "bin" / "vcfs").exists():
            return SOURCE / "build" / preset
    return SOURCE / "build" / "dev"


BUILD = _build_dir()
BIN = BUILD / "bin"
HELPERS = BUILD / "tests" / "bin"
LOGS = BUILD / "tests" / "logs"
CACHE = BUILD / "tests" / "cache"
TEST_DIR = os.environ.get("VCFS_TEST_DIR")
SCRATCH_GIVEN = "VCFS_TEST_SCRATCH" in os.environ
SCRATCH = Path(os.environ.get("VCFS_TEST_SCRATCH", "/tmp"))

# Sanitizers slow everything down; deadlines that are no promise of the product are stretched by this.
SLOWDOWN = 6.0 if any(x in BUILD.name for x in ("asan", "tsan")) else 1.0


def program(name):
    return str(BIN / name)


def helper(name):
    return str(HELPERS / name)


def seconds(default):
    """How long a recording of a load test lasts."""
    return float(os.environ.get("VCFS_TEST_SECONDS", default))


def seed():
    value = os.environ.get("VCFS_TEST_SEED")
    return int(value) if value else random.Random(time.time_ns() ^ os.getpid()).randrange(1 << 32)
