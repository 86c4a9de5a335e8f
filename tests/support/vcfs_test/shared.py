"""One cluster for all tests of a file; run.py closes it. With VCFS_TEST_DIR there is none, just that directory."""
import itertools
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from . import env
from .cluster import Cluster
from .scratch import Scratch

_cluster = None
_error = None
_scratch = None
_counter = itertools.count(1)


def cluster():
    """The shared cluster, started by the first who asks. Tests must leave all its processes running."""
    global _cluster, _error
    if env.TEST_DIR:
        raise unittest.SkipTest("needs a cluster, VCFS_TEST_DIR is set")
    if _error:
        raise AssertionError(f"the cluster did not start: {_error}")
    if _cluster is None:
        new = Cluster()
        try:
            _cluster = new.up()
        except BaseException as e:
            _error = e
            new.close(keep_logs_as="failed-up")
            raise
    return _cluster


def store():
    """The directory under test: the shared cluster's mount, or VCFS_TEST_DIR."""
    return Path(env.TEST_DIR) if env.TEST_DIR else cluster().mount


def scratch():
    """A local directory for what the tests compare with."""
    global _scratch
    if _scratch is None:
        _scratch = Scratch("vcfs-local")
    return _scratch.path


def close(keep_logs_as=None):
    global _cluster, _scratch
    if _cluster:
        _cluster.close(keep_logs_as)
        _cluster = None
    if _scratch:
        _scratch.close()
        _scratch = None


class StoreCase(unittest.TestCase):
    """A test of the mounted directory: self.dir is a fresh directory in it, self.local one on the local disk."""

    def setUp(self):
        number = next(_counter)
        top = store() / "suite"
        top.mkdir(exist_ok=True)
        self.dir = str(top / f"t{number}-{os.getpid()}")
        os.mkdir(self.dir)
        self.addCleanup(remove_tree, self.dir)
        self.local = tempfile.mkdtemp(dir=scratch())

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def store_path(self, path):
        """The path inside the store, as `vcfs stat` wants it."""
        return "/" + os.path.relpath(path, store())

    def make(self, name, content=b"", mode=None):
        path = self.path(name)
        with open(path, "wb") as f:
            f.write(content)
        if mode is not None:
            os.chmod(path, mode)
        return path

    def read(self, path):
        with open(path if os.path.isabs(path) else self.path(path), "rb") as f:
            return f.read()

    def run_tool(self, *line, timeout=100, **kw):
        """Runs a program, which must succeed; returns its standard output."""
        result = subprocess.run(list(map(str, line)), capture_output=True, text=True, timeout=timeout, check=False, **kw)
        self.assertEqual(result.returncode, 0, f"{' '.join(map(str, line))}\n{result.stdout}{result.stderr}")
        return result.stdout

    def assertErrno(self, number, function, *args, **kw):
        try:
            value = function(*args, **kw)
        except OSError as e:
            self.assertEqual(_name(e.errno), _name(number), f"{function} {args}")
            return
        self.fail(f"{_name(number)} expected, got {value!r} from {function} {args}")


def _name(number):
    import errno
    return errno.errorcode.get(number, str(number))


def remove_tree(path):
    for folder, folders, _ in os.walk(path):
        for name in folders:
            full = os.path.join(folder, name)
            if not os.path.islink(full):
                os.chmod(full, 0o700)
    shutil.rmtree(path, ignore_errors=True)
