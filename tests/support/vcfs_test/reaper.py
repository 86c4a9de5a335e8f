"""Cleans up after a test process that vanished (killed by a time-out): everything that names its scratch directory.

Run as `reaper.py SCRATCH_DIR` with standard input connected to the test process. A line "done" ends it quietly; end of file
without it means that the test died.
"""
import os
import signal
import subprocess
import sys
import time


def processes_naming(text):
    """Pids whose command line contains `text` (a unique scratch directory), without ourselves."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                if text.encode() in f.read():
                    found.append(int(entry))
        except OSError:
            pass
    return found


def mounts_below(directory):
    found = []
    with open("/proc/self/mounts") as f:
        for line in f:
            path = line.split()[1].replace("\\040", " ")
            if path.startswith(directory.rstrip("/") + "/"):
                found.append(path)
    return found


def namespaces_of(tag):
    """Network namespaces made for the scratch directory of that name (network.py)."""
    try:
        return [name for name in os.listdir("/run/netns") if name.startswith(tag + "-")]
    except FileNotFoundError:
        return []


def clean_up(directory, keep=()):
    """Ends by force whatever still uses `directory`: processes that name it, mounts below it, its network namespaces."""
    for pid in processes_naming(directory):
        if pid not in keep:
            try:
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
    end = time.monotonic() + 5
    while time.monotonic() < end and [p for p in processes_naming(directory) if p not in keep]:
        time.sleep(0.05)
    for path in reversed(mounts_below(directory)):
        subprocess.run(["umount", "-l", path], stderr=subprocess.DEVNULL, check=False)
    for name in namespaces_of(os.path.basename(directory)):
        subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)


def remove(directory):
    """Also of mount points that `vcfs up` made unwritable (chattr +i). Nothing is removed below a living mount."""
    if mounts_below(directory):
        return
    if os.path.ismount(directory):
        subprocess.run(["umount", "-l", directory], check=False)  # a disk in memory goes with its last user
    subprocess.run(["chattr", "-R", "-i", directory], stderr=subprocess.DEVNULL, check=False)
    subprocess.run(["rm", "-rf", "--one-file-system", directory], check=False)


def main():
    directory = sys.argv[1]
    if "done" in sys.stdin.read():
        return
    clean_up(directory)
    remove(directory)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
