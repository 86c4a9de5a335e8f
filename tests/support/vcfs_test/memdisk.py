"""A disk in memory, for what tests measure: ext4 on a loop device over a file in /dev/shm.

The disk of a shared machine may hold a plain local fdatasync up for most of a second (900 ms was seen), which says nothing about
vcfs. ext4 in memory keeps the filesystem, its journal and its errors, without that. The image's name is gone once it is mounted,
so that nothing is left behind whatever ends the test; memory is used only for what is written.
"""
import os
import subprocess
import tempfile

MEMORY = "/dev/shm"
IMAGE_BYTES = 64 << 30  # sparse; larger than every reserve


def possible():
    return os.geteuid() == 0 and os.path.exists("/dev/loop-control") and os.access(MEMORY, os.W_OK)


def mount(directory):
    """Mounts a fresh one on `directory`; raises CalledProcessError with the tool's message printed."""
    fd, image = tempfile.mkstemp(prefix="vcfs-test-", suffix=".img", dir=MEMORY)
    try:
        os.ftruncate(fd, IMAGE_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-J", "size=128",
                        "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", image], check=True)
        subprocess.run(["mount", "-o", "loop,discard,noinit_itable", image, str(directory)], check=True)
    finally:
        os.close(fd)
        os.unlink(image)


def unmount(directory):
    if os.path.ismount(directory):
        subprocess.run(["umount", "-l", str(directory)], stderr=subprocess.DEVNULL, check=False)
