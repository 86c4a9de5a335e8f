"""What is done to each system. A workload is a function(system, options) that returns {figure: number}; the names of figures
carry their unit. GiB of user data is what cpu_s_per_GiB is counted by."""
import os
import shutil
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from vcfs_test import media
from vcfs_test.files import sha256
from vcfs_test.records import Follower, Recorder

from . import machine
from .machine import Cpu, Failed, io, relay

MIB, GIB = 1 << 20, 1 << 30
RATE = 500_000  # bytes per second: 4 Mbit/s
RECORD = 32768


def fresh(system, name, settled=True):
    path = system.mount / "bench" / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    if settled:
        machine.settle()
    return path


def _with_cpu(result, *names):
    figures = {n: result[n] for n in names if n in result}
    if result.get("bytes"):
        figures["cpu_s_per_GiB"] = round(result["cpu_s"] / (result["bytes"] / GIB), 2)
    return figures


def seq_write(block):
    def run(system, options):
        folder = fresh(system, "seq")
        result = io("write", folder / "f", size=options.size, block=block)
        shutil.rmtree(folder)
        return _with_cpu(result, "MB_s")
    return run


def _big_file(system, options):
    path = system.mount / "bench" / "big"
    if not path.exists() or path.stat().st_size < options.size:
        path.parent.mkdir(exist_ok=True)
        io("write", path, size=options.size, block=MIB)
    io("read", path, block=MIB)  # into the servers' page cache; the mount's own goes with the mount
    system.remount()
    machine.settle()
    return system.mount / "bench" / "big"


def seq_read(block):
    def run(system, options):
        return _with_cpu(io("read", _big_file(system, options), block=block), "MB_s")
    return run


def random_read(block):
    def run(system, options):
        result = io("random", _big_file(system, options), block=block, seconds=options.seconds / 2)
        return {"IOPS": result["per_s"], "p99_ms": result["call"]["p99_ms"]}
    return run


def streams(system, options):
    folder = fresh(system, "streams")
    result = io("streams", folder, n=16, size=max(MIB, options.size // 32), block=RECORD)
    shutil.rmtree(folder)
    return {**_with_cpu(result, "MB_s"), "p99_ms": result["call"]["p99_ms"]}


def readers(system, options):
    folder = fresh(system, "readers")
    io("streams", folder, n=32, size=max(MIB, options.size // 64), block=MIB)
    system.remount()
    machine.settle()
    result = io("readers", system.mount / "bench/readers", n=32, block=MIB)
    shutil.rmtree(system.mount / "bench/readers")
    return _with_cpu(result, "MB_s")


def _paced(system, n, seconds, settled=True):
    folder = fresh(system, "paced", settled)
    result = io("paced", folder, n=n, rate=RATE, block=RECORD, seconds=seconds)
    memory = system.memory_bytes()
    shutil.rmtree(folder)
    return result, memory


def recorders_50(system, options):
    result, _ = _paced(system, 50, options.seconds)
    call = result["call"]
    return {"p50_ms": call["p50_ms"], "p99_ms": call["p99_ms"], "p999_ms": call["p999_ms"], "max_ms": call["max_ms"],
            **_with_cpu(result)}


def recorders_sustained(system, options):
    """The most recorders whose write() keeps a p99 under 50 ms and whose bytes all come in time."""
    best = 0
    for n in (50, 100, 200, 400, 800):
        result, _ = _paced(system, n, min(10, options.seconds))
        in_time = result["bytes"] >= 0.99 * result["wanted_bytes"] and result["seconds"] < 1.1 * min(10, options.seconds) + 2
        if result["call"]["p99_ms"] >= 50 or not in_time:
            break
        best = n
    return {"recorders": best}


def memory_200(system, options):
    result, memory = _paced(system, 200, options.seconds)
    if memory is None:
        return {}
    return {"MiB": round(memory / MIB, 1), "p99_ms": result["call"]["p99_ms"]}


class _Spells:
    """p99 of write() of 50 recorders, in spells of three seconds. A spell in which the host of this virtual machine kept
    a processor from it says nothing of vcfs: it is counted, and left out of the median while there are three others."""

    def __init__(self):
        self.all, self.undisturbed = [], []

    def add(self, p99, stolen):
        self.all.append(p99)
        if stolen == 0:
            self.undisturbed.append(p99)

    def median(self):
        return statistics.median(self.undisturbed if len(self.undisturbed) >= 3 else self.all)


def catch_up(system, options):
    """A storage server that lacks `size` in eight files comes back while 50 recordings run. p99 of their write(), the
    median of three-second spells, with the copying and, before and after, without it; what the disk gives (written and
    synced) beside what was copied."""
    if not hasattr(system, "cluster"):
        return {}
    cluster = system.cluster

    def spell(settled=True):
        """p99 of the recorders while the store is asked about twice a second, which takes some of the machine, too; what
        the host stole meanwhile; and when the store was first whole."""
        whole_at, stolen = None, machine.stolen_seconds()
        with ThreadPoolExecutor(1) as recorders:
            run = recorders.submit(_paced, system, 50, min(3, options.seconds), settled)
            while not run.done():
                time.sleep(0.5)
                if cluster.status()["files"]["degraded"] == 0:
                    whole_at = whole_at or time.monotonic()
            return run.result()[0]["call"]["p99_ms"], machine.stolen_seconds() - stolen, whole_at

    alone, beside = _Spells(), _Spells()
    for _ in range(4):
        alone.add(*spell()[:2])
    victim = sorted(cluster.storages())[-1]
    cluster.kill(victim)
    folder = fresh(system, "behind")
    for number in range(8):
        io("write", folder / f"f{number}", size=options.size // 8, block=MIB)
    machine.settle()

    whole_at = None
    cluster.restart(victim)
    begin = time.monotonic()
    while whole_at is None:
        if time.monotonic() - begin > 600:
            raise Failed(f"not whole after 600 s: {cluster.status()['files']}")
        p99, stolen, whole_at = spell(settled=False)
        if whole_at is None:  # the last one sees the copying's end
            beside.add(p99, stolen)
    took = whole_at - begin
    shutil.rmtree(folder)
    for _ in range(4):
        alone.add(*spell()[:2])
    disk = cluster.scratch.path / "disk"
    local = io("write", disk, size=options.size // 4, block=MIB)
    disk.unlink()
    figures = {"seconds": round(took, 1), "MB_s": round(options.size / took / 1e6, 1), "disk_MB_s": local["MB_s"],
               "MB_s_to_disk": round(options.size / took / 1e6 / local["MB_s"], 2), "alone_p99_ms": alone.median()}
    if beside.all:  # it may be over before the first spell is
        figures |= {"p99_ms": beside.median(), "p99_to_alone": round(beside.median() / alone.median(), 2),
                    "p99_ms_of_all": statistics.median(beside.all), "p99_max_ms": max(beside.all),
                    "spells": len(beside.all), "spells_disturbed": len(beside.all) - len(beside.undisturbed)}
    return figures


def follower_lag(system, options):
    second = system.second_mount()
    if second is None:
        return {}
    folder = fresh(system, "follow")
    done = system.mount.parent / "follow-done"
    recorder = Recorder(folder / "f", seconds=options.seconds, rate=RATE)
    follower = Follower(second / "bench/follow/f", done_file=str(done), poll=2)
    written = recorder.result(600)
    done.touch()
    seen = follower.result(600)
    done.unlink()
    subprocess.run(["umount", "-l", str(second)], check=False)
    if seen["records"] != written["records"] or seen["zeros"] or seen["wrong"]:
        raise Failed(f"the follower saw {seen['records']} of {written['records']} records, {seen['zeros']} with zeros")
    return {"p50_ms": seen["age"]["p50_ms"], "p99_ms": seen["age"]["p99_ms"], "max_ms": seen["age"]["max_ms"]}


def small_files(workers):
    def run(system, options):
        figures = {}
        count = max(20, options.files // workers)
        folder = fresh(system, "small")
        for w in range(workers):
            (folder / f"w{w}").mkdir()
        for op in ("create", "stat", "read", "rename", "unlink"):
            if op == "stat":
                system.remount()
            machine.settle()
            result = io("files", system.mount / "bench/small", op=op, workers=workers, count=count)
            figures[f"{op}_per_s"] = result["per_s"]
        shutil.rmtree(system.mount / "bench/small")
        return figures
    return run


def list_long(system, options):
    """`ls -l` of a large directory: it asks for the attributes and two extended attributes of each entry."""
    folder = fresh(system, "list")
    names = [folder / f"recording-{i:06d}.mkv" for i in range(options.files * 10)]
    with ThreadPoolExecutor(8) as makers:
        list(makers.map(os.mknod, names))
    system.remount()
    machine.settle()
    figures = {}
    for state in ("cold", "warm"):
        begin = time.monotonic()
        subprocess.run(["ls", "-l", str(folder)], stdout=subprocess.DEVNULL, check=True)
        figures[f"{state}_per_s"] = round(len(names) / (time.monotonic() - begin), 1)
    shutil.rmtree(folder)
    return figures


def _ffmpeg(system, name, arguments, output):
    clip = media.clip(60, 2500)
    folder = fresh(system, name)
    line = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-stream_loop", "9", "-i", str(clip), "-c", "copy", *arguments, output]
    with Cpu() as cpu:
        result = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    if result.returncode != 0:
        raise Failed(f"ffmpeg: {result.stderr[-300:]}")
    shutil.rmtree(folder)
    return {"seconds": round(cpu.wall, 3)}


def ffmpeg_hls(system, _):
    return _ffmpeg(system, "hls", ["-f", "hls", "-hls_time", "2", "-hls_list_size", "0", "-hls_flags", "temp_file"], "out.m3u8")


def ffmpeg_faststart(system, _):
    return _ffmpeg(system, "faststart", ["-movflags", "+faststart"], "out.mp4")


NGINX = """daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx-error.log; user root; worker_processes 2;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p;
 fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s; server {{ listen 127.0.0.1:{port}; root {root}; }} }}"""


def http_files(system, options):
    """1 MiB files, 64 connections: vcfs by its own HTTP server, the others by nginx over their mount."""
    if not shutil.which("wrk") or not shutil.which("nginx"):
        raise Failed("wrk and nginx are needed")
    from vcfs_test.http import fetch
    from vcfs_test.ports import PortRange
    from vcfs_test.wait import wait_for
    folder = fresh(system, "http")
    io("write", folder / "f", size=MIB, block=MIB)
    if hasattr(system, "url"):
        return _wrk(f"{system.url}/bench/http/f", options)
    ports = PortRange()
    home = system.scratch.path / "nginx"
    home.mkdir(exist_ok=True)
    (home / "nginx.conf").write_text(NGINX.format(dir=home, port=ports.base, root=system.mount))
    server = subprocess.Popen(["nginx", "-p", str(home), "-c", str(home / "nginx.conf")], stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{ports.base}/bench/http/f"
        wait_for(lambda: fetch(url).status == 200, 10, "nginx")
        return _wrk(url, options)
    finally:
        server.terminate()
        server.wait(20)
        ports.release()


def _wrk(url, options):
    result = machine.run(["wrk", "-t2", "-c64", f"-d{max(2, int(options.seconds / 2))}s", url])
    rate = next(float(x.split()[1]) for x in result.stdout.splitlines() if x.startswith("Requests/sec"))
    if "Non-2xx" in result.stdout or "Socket errors" in result.stdout:
        raise Failed(result.stdout.strip())
    return {"requests_per_s": rate}


def checked_copy(system, options):
    """Not a race: that what the bench moves is right. A file is written, read back after a remount and compared."""
    folder = fresh(system, "check")
    source = system.mount.parent / "check-source"
    io("write", source, size=16 * MIB, block=MIB)
    shutil.copyfile(source, folder / "f")
    system.remount()
    if sha256(system.mount / "bench/check/f") != sha256(source):
        raise Failed("what was read is not what was written")
    os.unlink(source)
    return {"ok": 1}


def relay_write(block):
    def run(system, options):
        if system.name != "local":
            return {}
        folder = fresh(system, "relay")
        result = relay(folder, size=options.size, block=block, congestion=options.congestion)
        shutil.rmtree(folder)
        return _with_cpu(result, "MB_s")
    return run


# In the order in which they run. The relay runs on the local disk only.
WORKLOADS = {
    "check": checked_copy,
    "seq_write_1M": seq_write(MIB),
    "relay_write_1M": relay_write(MIB),
    "seq_write_32K": seq_write(RECORD),
    "relay_write_32K": relay_write(RECORD),
    "streams_16x32K": streams,
    "seq_read_1M": seq_read(MIB),
    "seq_read_32K": seq_read(RECORD),
    "random_read_128K": random_read(128 << 10),
    "random_read_4K": random_read(4096),
    "readers_32": readers,
    "recorders_50": recorders_50,
    "recorders_sustained": recorders_sustained,
    "memory_200_recorders": memory_200,
    "catch_up": catch_up,
    "follower_lag": follower_lag,
    "small_files_1": small_files(1),
    "small_files_8": small_files(8),
    "list_long": list_long,
    "ffmpeg_hls": ffmpeg_hls,
    "ffmpeg_faststart": ffmpeg_faststart,
    "http_1M": http_files,
}
