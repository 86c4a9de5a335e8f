"""Small verbs on files."""
import hashlib
import os


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while chunk := f.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def pattern(size, key=1):
    """Bytes without zeros and without a short period."""
    out = bytearray()
    counter = 0
    while len(out) < size:
        out += hashlib.sha256(f"{key}:{counter}".encode()).digest()
        counter += 1
    return bytes(out[:size]).replace(b"\0", b"\1")


def make_tree(top, folders=4, files=8, size=5000):
    """A small tree with what archivers care about: modes, links, times, empty and sparse files, odd names."""
    os.makedirs(top)
    for i in range(folders):
        folder = os.path.join(top, f"folder {i}")
        os.mkdir(folder)
        for j in range(files):
            name = os.path.join(folder, f"file-{j}-ü.bin")
            with open(name, "wb") as f:
                f.write(pattern(size * j, key=i * 100 + j))
            os.chmod(name, 0o600 + j)
            os.utime(name, ns=(10**18 + j, 10**18 + 123456789 + i))
        os.symlink("file-1-ü.bin", os.path.join(folder, "symlink"))
        os.symlink("/nowhere/at/all", os.path.join(folder, "dangling"))
        os.link(os.path.join(folder, "file-2-ü.bin"), os.path.join(folder, "hardlink"))
    with open(os.path.join(top, "sparse"), "wb") as f:
        f.seek(1 << 20)
        f.write(b"end")
    os.mkfifo(os.path.join(top, "fifo"))
    os.makedirs(os.path.join(top, "empty", "deep", "deeper"))


def describe_tree(top, times=True):
    """{relative path: what an archiver must preserve}; link groups are told by the first name."""
    found, links = {}, {}
    for folder, folders, files in os.walk(top):
        folders.sort()
        for name in sorted(folders + files):
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, top)
            st = os.lstat(path)
            what = [oct(st.st_mode), st.st_uid, st.st_gid]
            if os.path.islink(path):
                what.append(os.readlink(path))
            elif os.path.isfile(path):
                what += [st.st_size, sha256(path), links.setdefault(st.st_ino, relative)]
                if times:
                    what.append(st.st_mtime_ns)
            found[relative] = tuple(what)
    return found
