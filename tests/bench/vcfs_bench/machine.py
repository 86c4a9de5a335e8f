"""CPU seconds of the whole machine, and helpers' processes. Run the bench on a machine that does nothing else."""
import atexit
import json
import os
import subprocess
import time

from vcfs_bench import memory
from vcfs_test import env


class Failed(Exception):
    pass


def _processors():
    """Seconds of all of them so far: user, nice, system, idle, iowait, irq, softirq, steal."""
    with open("/proc/stat") as f:
        return [int(x) / os.sysconf("SC_CLK_TCK") for x in f.readline().split()[1:9]]


def _busy_seconds():
    user, nice, system, _idle, _iowait, irq, softirq, _steal = _processors()
    return user + nice + system + irq + softirq


def stolen_seconds():
    """What the host of a virtual machine has kept its processors from it so far."""
    return _processors()[7]


class Cpu:
    """with Cpu() as c: …; c.seconds: what everything together used."""

    def __enter__(self):
        self._busy, self._begin = _busy_seconds(), time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = _busy_seconds() - self._busy
        self.wall = time.monotonic() - self._begin


def io(command, target, timeout=600, **options):
    """One command of vcfs-bench-io; returns what it measured with the CPU seconds of everything meanwhile."""
    return _json([env.helper("vcfs-bench-io"), command, str(target), *[f"{k}={v}" for k, v in options.items()]], timeout)


def relay(directory, timeout=600, **options):
    return _json([env.helper("vcfs-bench-relay"), str(directory), *[f"{k}={v}" for k, v in options.items()]], timeout)


def _json(line, timeout):
    with Cpu() as cpu:
        result = subprocess.run(line, capture_output=True, text=True, timeout=timeout, check=False)
    if not result.stdout.strip():
        raise Failed(f"{' '.join(line)}: exit code {result.returncode} {result.stderr.strip()}")
    value = json.loads(result.stdout.strip().splitlines()[-1])
    if value.get("error"):
        raise Failed(value["error"])
    if value.get("errors"):
        raise Failed(f"{value['errors']} errors: {value['first_error']}")
    value["cpu_s"] = round(cpu.seconds, 2)
    return value


_holder = None


def hold_memory():
    """Until the end of this program: see memory.py."""
    global _holder  # pylint: disable=global-statement
    _holder = memory.Holder()
    atexit.register(_holder.close)


def settle():
    """No dirty pages of the workload before, and free memory in our hands (--hold-memory)."""
    os.sync()
    if _holder and not _holder.grab():
        print("  WARNING: free memory was not taken in time: what follows may measure the machine's memory", flush=True)


def run(line, timeout=120, check=True, **kw):
    result = subprocess.run(line, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL, **kw)
    if check and result.returncode != 0:
        raise Failed(f"{line if isinstance(line, str) else ' '.join(map(str, line))}: {result.stdout}{result.stderr}".strip()[-600:])
    return result


def others_busy(seconds=0.5):
    """The fraction of all CPUs that somebody else uses while we do nothing."""
    with Cpu() as cpu:
        time.sleep(seconds)
    return cpu.seconds / (cpu.wall * os.cpu_count())
