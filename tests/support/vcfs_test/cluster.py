"""A cluster of real daemons on this machine, started by `vcfs up`, with verbs for what tests do to it."""
import json
import os
import signal
import subprocess
import time

from . import env
from .ports import PortRange
from .scratch import Scratch
from .wait import wait_for


class CommandFailed(AssertionError):
    def __init__(self, result):
        self.result = result
        super().__init__(f"{' '.join(map(str, result.args))}: exit code {result.returncode}\n{result.stdout}{result.stderr}")


class Cluster:
    """
    with Cluster(storages=3) as c:
        (c.mount / "meeting.mkv").write_bytes(b"…")
        c.kill(c.primary_of("/meeting.mkv"))

    Processes are named as `vcfs status` names storages ("storage1"), others by kind and position: "tracker0", "idserver0",
    "httpd0", "mount0". `vcfs` runs the command line; what it prints is in the result, failures raise CommandFailed.
    """

    def __init__(self, storages=2, groups=1, copies=2, trackers=1, mount=True, catalog=None, options=()):
        self.scratch = Scratch()
        self.ports = PortRange()
        self.directory = self.scratch.path / "cluster"
        self.mount = self.scratch.path / "mnt" if mount else None
        self._options = [*options, "--storages", storages, "--groups", groups, "--copies", copies, "--trackers", trackers,
                         "--port-base", self.ports.base]
        if catalog:
            self._options += ["--catalog", catalog]
        self._options += ["--mount", self.mount] if mount else ["--no-mount"]
        self._extra_mounts = []
        self._added = []
        self._stopped = set()
        self._pids = {}
        self._lines = {}  # of killed processes: how they were started

    # ---- life

    def __enter__(self):
        try:
            return self.up()
        except BaseException:
            self.close(keep_logs_as="failed-up")
            raise

    def __exit__(self, kind, *_):
        self.close(keep_logs_as=f"failed-{int(time.time())}" if kind else None)

    def up(self):
        """`vcfs up`; again after kill() it starts what is missing."""
        self.vcfs("up", *self._options, timeout=60 * env.SLOWDOWN)
        self._remember_pids()
        return self

    def down(self, *options):
        for pid in self._stopped:
            self._signal(pid, signal.SIGCONT)
        self._stopped.clear()
        self._unmount_extra()
        return self.vcfs("down", *options, timeout=60 * env.SLOWDOWN)

    def close(self, keep_logs_as=None):
        """Always ends with no process, no mount and no directory of this cluster left."""
        if self.scratch is None:
            return
        if keep_logs_as:
            print(f"logs kept in {self.scratch.keep_logs(keep_logs_as)}", flush=True)
        try:
            self.down("--busy-limit", 2, "--remove-mount-point")
        except Exception as e:  # noqa: BLE001 - the scratch directory's clean-up is the safety net
            print(f"down: {e}", flush=True)
        for process in self._added:
            process.kill()
            process.wait()
        self.scratch.close()
        self.ports.release()
        self.scratch = None

    # ---- the command line

    def vcfs(self, command, *args, check=True, timeout=30, stdin=None, text=True, cwd=None):
        """vcfs COMMAND ARGS… --dir D"""
        line = [env.program("vcfs"), *command.split(), *map(str, args), "--dir", str(self.directory)]
        result = subprocess.run(line, input=stdin, capture_output=True, text=text, timeout=timeout, check=False, cwd=cwd)
        if check and result.returncode != 0:
            raise CommandFailed(result)
        return result

    def json(self, command, *args, **kw):
        return json.loads(self.vcfs(command, *args, "--json", **kw).stdout)

    def status(self):
        return self.json("status")

    def stat(self, path):
        return self.json("stat", path)

    @property
    def trackers(self):
        return ",".join(t["address"] for t in self.status()["trackers"])

    @property
    def url(self):
        return f"http://{self.status()['httpds'][0]['address']}"

    # ---- processes

    def _remember_pids(self):
        """Pids are kept from before a fault, since a status during one may not know them."""
        status = self.status()
        for kind, list_name in (("tracker", "trackers"), ("idserver", "idservers"), ("httpd", "httpds"), ("mount", "mounts")):
            for i, process in enumerate(status[list_name]):
                if process.get("pid"):
                    self._pids[f"{kind}{i}"] = process["pid"]
        for storage in status["storages"]:
            if storage.get("pid"):
                self._pids[storage["name"]] = storage["pid"]

    def pid(self, name):
        if name not in self._pids:
            self._remember_pids()
        return self._pids[name]

    def names(self):
        self._remember_pids()
        return sorted(self._pids)

    def _signal(self, pid, number):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    def kill(self, name, number=signal.SIGKILL):
        pid = self._pids.pop(name, None) or self.pid(name)
        self._pids.pop(name, None)
        if is_running(pid):
            with open(f"/proc/{pid}/cmdline") as f:
                self._lines[name] = f.read().split("\0")[:-1]
        self._signal(pid, number)
        wait_for(lambda: not is_running(pid), 10, f"the end of {name} (pid {pid})", interval=0.001)

    def stop(self, name):
        """SIGSTOP: the process hangs, its connections stay."""
        self._stopped.add(self.pid(name))
        self._signal(self.pid(name), signal.SIGSTOP)

    def cont(self, name):
        self._stopped.discard(self.pid(name))
        self._signal(self.pid(name), signal.SIGCONT)

    def restart(self, name):
        """Starts a killed process again, as `vcfs up` does, and waits until it is up."""
        self.up()
        wait_for(lambda: name in self.names() and is_running(self.pid(name)), 20, f"{name} to run again")

    def restart_alone(self, name):
        """Starts a killed process again as it was started; others that are missing stay so. Waits for nothing."""
        with open(self.scratch.path / f"{name}.log", "a") as log:
            process = subprocess.Popen(self._lines[name], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._added.append(process)
        self._pids[name] = process.pid

    def add_storage(self, name):
        """One more server than `vcfs up` knows of, started by hand as docs/operations.md says."""
        top, ready = self.scratch.path / name, self.scratch.path / f"{name}.ready"
        address = f"127.0.0.1:{self.ports.base + 100 + len(self.storages())}"
        line = [env.program("vcfs-storage"), "--name", name, "--group", "g1", "--data", top, "--listen", address,
                "--trackers", self.trackers, "--ready-file", ready]
        with open(self.scratch.path / f"{name}.log", "w") as log:
            process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._added.append(process)
        self._pids[name] = process.pid
        wait_for(ready.exists, 20, f"{name} to answer")

    def rss_bytes(self, name):
        with open(f"/proc/{self.pid(name)}/status") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError(f"{name} has no VmRSS")

    # ---- files

    def storages(self):
        return {s["name"]: s for s in self.status()["storages"]}

    def primary_of(self, path):
        return next(r["storage"] for r in self.stat(path)["replicas"] if r["state"] == "in-sync")

    def followers_of(self, path):
        primary = self.primary_of(path)
        return [r["storage"] for r in self.stat(path)["replicas"] if r["storage"] != primary]

    def replica_paths(self, path, in_sync_only=True):
        return [r["path"] for r in self.stat(path)["replicas"] if r["state"] == "in-sync" or not in_sync_only]

    def wait_in_sync(self, path, copies=2, deadline=30):
        def enough():
            replicas = self.stat(path)["replicas"]
            return len([r for r in replicas if r["state"] == "in-sync"]) >= copies and \
                all(r["state"] == "in-sync" for r in replicas)
        wait_for(enough, deadline, f"{copies} in-sync replicas of {path}")

    def wait_state(self, path, state, deadline=20):
        """As its primary says; the catalog hears of it some 20 ms later, or more when its disk is slow."""
        wait_for(lambda: self.stat(path)["state"] == state, deadline, f"{path} to be {state}")

    def wait_sealed(self, deadline=20):
        """The catalog knows it of every file; a primary knows earlier, and may be about to die."""
        wait_for(lambda: self.json("status")["files"]["live"] == 0, deadline, "all files to be closed in the catalog")

    # ---- further mounts (each stands for another host)

    def mount_again(self, name="other", options="", subdirectory="/", ahead_ms=0):
        """`ahead_ms`: the wall clock of the host that this mount stands for."""
        clock = {}
        if ahead_ms:
            clock = {"LD_PRELOAD": str(env.helper("libvcfs-test-clock.so")), "VCFS_TEST_CLOCK_AHEAD_MS": str(ahead_ms)}
        point = self.scratch.path / name
        point.mkdir(exist_ok=True)
        source = f"{self.trackers}:{subdirectory}"
        line = [env.program("mount.vcfs"), source, str(point)] + (["-o", options] if options else [])
        # A daemonised mount keeps inherited pipes open, so its output goes to a file.
        with open(self.scratch.path / f"{name}.log", "w+") as log:
            code = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=60, check=False,
                                  env={**os.environ, **clock}).returncode
            log.seek(0)
            if code != 0:
                raise AssertionError(f"{' '.join(line)}: exit code {code}: {log.read()}")
        self._extra_mounts.append(point)
        return point

    def unmount(self, point):
        subprocess.run(["umount", str(point)], check=True, timeout=30)
        self._extra_mounts.remove(point)

    def _unmount_extra(self):
        for point in self._extra_mounts:
            subprocess.run(["umount", "-l", str(point)], check=False, stderr=subprocess.DEVNULL, timeout=30)
        self._extra_mounts = []


def is_running(pid):
    """False for absent processes and zombies; one of whose threads still waits for the disk has its ports yet."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            ended = f.read().rsplit(")", 1)[1].split()[0] in "ZX"
        return not ended or len(os.listdir(f"/proc/{pid}/task")) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def process_io(pid):
    """{"rchar": bytes it read so far, "wchar": and wrote}: of files; sockets do not count."""
    with open(f"/proc/{pid}/io") as f:
        return {key: int(value) for key, value in (line.split(": ") for line in f)}
