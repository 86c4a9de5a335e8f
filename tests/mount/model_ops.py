"""The random operation model: operations are lists [name, arguments…] of plain values, so that they can be printed and replayed."""
import errno
import mmap
import os
import stat

from vcfs_test import syscalls
from vcfs_test.files import pattern

SLOTS = 3          # open descriptors at a time
LIMIT = 600_000    # largest offset
FOLDERS = ["d", "e", "d/i", "e/i"]
FILES = [f"{folder}{name}" for folder in ("", "d/", "e/", "d/i/") for name in "fgh"]
# What every sequence begins with, so that most operations find something.
PREFACE = [["mkdir", "d"], ["mkdir", "e"], ["mkdir", "d/i"], ["open", 0, "f", 66], ["open", 1, "d/g", 66], ["open", 2, "d/i/h", 66]]
CONTENT = pattern(LIMIT)


# ---- drawing

def _path(rng):
    return rng.choice(FILES) if rng.random() < 0.85 else rng.choice(FOLDERS)


def _folder(rng):
    return rng.choice(FOLDERS) if rng.random() < 0.85 else rng.choice(FILES)


def _slot(rng):
    return rng.randrange(SLOTS)


def _offset(rng):
    return rng.choice((0, rng.randrange(100), 4096 * rng.randrange(40), rng.randrange(LIMIT // 2)))


def _length(rng):
    return rng.choice((1, rng.randrange(200), 4096, rng.randrange(20000), rng.randrange(LIMIT // 2)))


FLAGS = [*[os.O_RDWR | os.O_CREAT] * 6, os.O_RDWR, os.O_RDONLY, os.O_RDWR | os.O_CREAT | os.O_TRUNC,
         os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_RDWR | os.O_CREAT | os.O_APPEND, os.O_WRONLY, os.O_WRONLY | os.O_APPEND]

DRAW = {
    "open": lambda r: [_slot(r), _path(r), r.choice(FLAGS)],
    "close": lambda r: [_slot(r)],
    "write": lambda r: [_slot(r), _offset(r), _length(r), r.randrange(1000)],
    "append": lambda r: [_slot(r), _length(r), r.randrange(1000)],
    "read": lambda r: [_slot(r), _offset(r), _length(r)],
    "read_file": lambda r: [_path(r)],
    "ftruncate": lambda r: [_slot(r), _offset(r)],
    "truncate": lambda r: [_path(r), _offset(r)],
    "fsync": lambda r: [_slot(r)],
    "fstat": lambda r: [_slot(r)],
    "stat": lambda r: [_path(r)],
    "allocate": lambda r: [_slot(r), r.choice((0, 1, 3, 16, 17)), _offset(r), _length(r)],
    "map_write": lambda r: [_slot(r), _offset(r), r.randrange(1000)],
    "seek_data": lambda r: [_slot(r), _offset(r)],
    "mkdir": lambda r: [_folder(r)],
    "rmdir": lambda r: [_folder(r)],
    "unlink": lambda r: [_path(r)],
    "rename": lambda r: [_path(r), _path(r), r.choice((0, 0, 0, 1, 2))],
    "link": lambda r: [_path(r), _path(r)],
    "symlink": lambda r: [r.choice(["a", "../b", "x", "a/b", "."]), _path(r)],
    "readlink": lambda r: [_path(r)],
    "chmod": lambda r: [_path(r), r.choice((0o600, 0o644, 0o755, 0o711, 0o2770))],
    "utime": lambda r: [_path(r), r.randrange(10**18), r.randrange(10**18)],
    "setxattr": lambda r: [_path(r), f"user.{r.choice('ab')}", r.randrange(300), r.choice((0, 0, 1, 2))],
    "getxattr": lambda r: [_path(r), f"user.{r.choice('ab')}"],
    "removexattr": lambda r: [_path(r), f"user.{r.choice('ab')}"],
    "list": lambda r: [_folder(r)],
    "mkfifo": lambda r: [_path(r)],
    "copy": lambda r: [_path(r), _path(r)],
}

NAMES = {"mkdir": 8, "rmdir": 2, "unlink": 3, "rename": 12, "link": 6, "symlink": 4, "readlink": 2, "open": 8, "close": 2, "chmod": 3,
         "utime": 2, "setxattr": 3, "getxattr": 2, "removexattr": 1, "list": 4, "stat": 6, "mkfifo": 1, "fstat": 3, "write": 3,
         "read_file": 3}
BYTES = {"open": 8, "close": 2, "write": 14, "append": 6, "read": 8, "read_file": 4, "ftruncate": 5, "truncate": 3, "fsync": 2,
         "fstat": 4, "stat": 3, "allocate": 4, "map_write": 3, "seek_data": 2, "unlink": 1, "rename": 2, "link": 1, "mkdir": 1,
         "copy": 2}
ALL = {name: max(NAMES.get(name, 0), BYTES.get(name, 0)) for name in DRAW}


def draw(rng, weights):
    name = rng.choices(list(weights), list(weights.values()))[0]
    return [name, *DRAW[name](rng)]


# ---- executing

class World:
    """One of the two directories with its open descriptors. do() returns a value that must be equal in both."""

    def __init__(self, top):
        self.top = top
        self.fds = {}

    def close(self):
        for fd in self.fds.values():
            os.close(fd)
        self.fds = {}

    def do(self, operation):
        name, *arguments = operation
        try:
            return getattr(self, "op_" + name)(*arguments)
        except OSError as e:
            return f"errno {e.errno} ({e.strerror})"

    def path(self, relative):
        return os.path.join(self.top, relative)

    def fd(self, slot):
        if slot not in self.fds:
            raise OSError(9, "no such slot")
        return self.fds[slot]

    def op_open(self, slot, path, flags):
        # Opening a fifo would wait for its other end.
        fd = os.open(self.path(path), flags | os.O_NONBLOCK, 0o644)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            return "not a file"
        if slot in self.fds:
            os.close(self.fds[slot])
        self.fds[slot] = fd
        return "ok"

    def op_close(self, slot):
        os.close(self.fd(slot))
        del self.fds[slot]

    @staticmethod
    def _content(key, length):
        return (CONTENT[key * 500:] + CONTENT[:key * 500])[:length]

    def op_write(self, slot, offset, length, key):
        return os.pwrite(self.fd(slot), self._content(key, length), offset)

    def op_append(self, slot, length, key):
        os.lseek(self.fd(slot), 0, os.SEEK_END)
        return os.write(self.fd(slot), self._content(key, length))

    def op_read(self, slot, offset, length):
        return hash(os.pread(self.fd(slot), length, offset))

    def op_read_file(self, path):
        fd = os.open(self.path(path), os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return "not a file"
            return hash(b"".join(iter(lambda: os.read(fd, 1 << 20), b"")))
        finally:
            os.close(fd)

    def op_ftruncate(self, slot, size):
        os.ftruncate(self.fd(slot), size)

    def op_truncate(self, path, size):
        os.truncate(self.path(path), size)

    def op_fsync(self, slot):
        os.fsync(self.fd(slot))

    @staticmethod
    def _attributes(st):
        size = st.st_size if not stat.S_ISDIR(st.st_mode) else 0
        return [st.st_mode, st.st_nlink, size, st.st_uid, st.st_gid]

    def op_fstat(self, slot):
        return self._attributes(os.fstat(self.fd(slot)))

    def op_stat(self, path):
        return self._attributes(os.lstat(self.path(path)))

    def op_allocate(self, slot, mode, offset, length):
        syscalls.fallocate(self.fd(slot), mode, offset, length)

    def op_map_write(self, slot, offset, key):
        fd = self.fd(slot)
        size = os.fstat(fd).st_size
        if offset + 10 > size:
            return "beyond the end"
        with mmap.mmap(fd, size) as view:
            before = view[offset:offset + 10]
            view[offset:offset + 10] = self._content(key, 10)
            view.flush()
        return before

    def op_seek_data(self, slot, offset):
        """Where data begins depends on block sizes and on when blocks are allocated; that only zeros are skipped does not."""
        fd = self.fd(slot)
        size = os.fstat(fd).st_size
        if offset >= size:
            return os.lseek(fd, offset, os.SEEK_DATA)
        hole = os.lseek(fd, offset, os.SEEK_HOLE)
        try:
            data = os.lseek(fd, offset, os.SEEK_DATA)
        except OSError as e:
            if e.errno != errno.ENXIO:
                raise
            data = size
        skipped = self._read_whatever_the_mode(fd, data - offset, offset)
        return [offset <= hole <= size, offset <= data <= size, skipped.strip(b"\0")]

    @staticmethod
    def _read_whatever_the_mode(fd, length, offset):
        try:
            return os.pread(fd, length, offset)
        except OSError:
            return b""  # opened for writing only

    def op_mkdir(self, path):
        os.mkdir(self.path(path))

    def op_rmdir(self, path):
        os.rmdir(self.path(path))

    def op_unlink(self, path):
        os.unlink(self.path(path))

    def op_rename(self, old, new, flags):
        syscalls.renameat2(self.path(old), self.path(new), flags)

    def op_link(self, old, new):
        os.link(self.path(old), self.path(new), follow_symlinks=False)

    def op_symlink(self, target, path):
        os.symlink(target, self.path(path))

    def op_readlink(self, path):
        return os.readlink(self.path(path))

    def op_chmod(self, path, mode):
        os.chmod(self.path(path), mode)

    def op_utime(self, path, atime, mtime):
        os.utime(self.path(path), ns=(atime, mtime))
        return os.stat(self.path(path)).st_mtime_ns

    def op_setxattr(self, path, name, length, flags):
        os.setxattr(self.path(path), name, CONTENT[:length], flags)

    def op_getxattr(self, path, name):
        return os.getxattr(self.path(path), name)

    def op_removexattr(self, path, name):
        os.removexattr(self.path(path), name)

    def op_list(self, path):
        return sorted(os.listdir(self.path(path)))

    def op_mkfifo(self, path):
        os.mkfifo(self.path(path))

    def op_copy(self, source, target):
        for path in (source, target):
            if os.path.exists(self.path(path)) and not os.path.isfile(self.path(path)):
                return "not a file"
        data = self.op_read_file(source)
        with open(self.path(source), "rb") as a, open(self.path(target), "ab") as b:
            b.write(a.read()[:LIMIT])
        return data

    def tree(self):
        """Everything that must be equal in the end."""
        found = {}
        for folder, folders, files in os.walk(self.top):
            for name in folders + files:
                path = os.path.join(folder, name)
                st = os.lstat(path)
                what = self._attributes(st)
                if stat.S_ISREG(st.st_mode):
                    with open(path, "rb") as f:
                        what.append(hash(f.read()))
                    what.append(sorted(n for n in os.listxattr(path) if n.startswith("user.")))
                found[os.path.relpath(path, self.top)] = what
        return found


# The store may refuse a kind of allocation cleanly as a whole; then the local directory is not asked either.
_REFUSED = "errno 95"


def _do_in_both(operation, store, local):
    a = store.do(operation)
    if operation[0] == "allocate" and isinstance(a, str) and a.startswith(_REFUSED):
        return a, a
    return a, local.do(operation)


def run_both(operations, store, local):
    """Runs the operations in both; returns None or (step, what was different)."""
    worlds = World(store), World(local)
    try:
        for step, operation in enumerate(operations):
            a, b = _do_in_both(operation, *worlds)
            if a != b:
                return step, f"{operation}: the store says {a!r}, a local directory says {b!r}"
            if step % 50 == 49 or step == len(operations) - 1:
                a, b = (world.tree() for world in worlds)
                if a != b:
                    keys = [k for k in sorted({*a, *b}) if a.get(k) != b.get(k)]
                    return step, f"trees differ at {keys[0]}: {a.get(keys[0])} against {b.get(keys[0])}"
        return None
    finally:
        for world in worlds:
            world.close()


# ---- shrinking

def shrink(operations, fails, budget=300):
    """A shorter sequence that still fails: drops ever smaller pieces (at most `budget` attempts)."""
    piece = max(1, len(operations) // 2)
    while piece and budget > 0:
        at = 0
        while at < len(operations) and budget > 0:
            candidate = operations[:at] + operations[at + piece:]
            budget -= 1
            if candidate and fails(candidate):
                operations = candidate
            else:
                at += piece
        piece //= 2
    return operations
