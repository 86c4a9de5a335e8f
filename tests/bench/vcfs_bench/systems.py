"""What is measured: each system is started, gives a mounted directory, can drop the client's caches, and is stopped."""
import os
import shutil
import subprocess
import time

from vcfs_test import env
from vcfs_test.cluster import Cluster
from vcfs_test.scratch import Scratch
from vcfs_test.wait import wait_for

from .machine import Failed, run


class System:
    name = ""
    copies = 1

    @classmethod
    def missing(cls):
        """Why it cannot run here, or None."""
        return None

    def __init__(self, options):
        self.options = options
        self.scratch = Scratch("vcfs-bench", in_memory=False)
        self.mount = self.scratch.path / "mnt"

    def start(self):
        self.mount.mkdir(exist_ok=True)

    def stop(self):
        self.scratch.close()

    def remount(self):
        """Drops what the client has in memory; the servers keep theirs."""

    def second_mount(self):
        return None

    def memory_bytes(self):
        """Of the mount's process; None when there is none."""
        return None


class LocalDisk(System):
    name = "local"


class Mountable(System):
    """One that can be mounted at any directory, several times: _mount(point) does it."""

    def remount(self):
        run(["umount", str(self.mount)])
        self._mount(self.mount)

    def second_mount(self):
        point = self.scratch.path / "second"
        point.mkdir(exist_ok=True)
        self._mount(point)
        return point

    def _unmount(self):
        for point in (self.mount, self.scratch.path / "second"):
            run(["umount", "-l", str(point)], check=False)


class Passthrough(System):
    """libfuse's example: one copy, no network; the floor that any FUSE filesystem pays."""

    name = "passthrough_ll"
    SOURCE = "/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c"

    @classmethod
    def missing(cls):
        if not os.path.exists(cls.SOURCE):
            return f"{cls.SOURCE} (package libfuse3-dev) is not there"
        return None if shutil.which("gcc") else "gcc is not installed"

    def start(self):
        super().start()
        self.source = self.scratch.path / "data"
        self.source.mkdir()
        self.binary = self.scratch.path / "passthrough_ll"
        flags = run(["pkg-config", "fuse3", "--cflags", "--libs"]).stdout.split()
        run(["gcc", "-O2", "-D_FILE_OFFSET_BITS=64", "-w", self.SOURCE, "-o", str(self.binary), *flags])
        self._mount()

    def _mount(self):
        self.process = subprocess.Popen([str(self.binary), "-f", str(self.mount), "-o", f"source={self.source},cache=always"],
                                        stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.ismount(self.mount), 10, "passthrough_ll")

    def remount(self):
        run(["umount", str(self.mount)])
        self.process.wait(20)
        self._mount()


class Vcfs(System):
    """Two storage servers, two copies, one tracker on SQLite: what `vcfs up` starts."""

    name = "vcfs"
    copies = 2

    @classmethod
    def missing(cls):
        missing = [p for p in ("vcfs", "vcfs-tracker", "vcfs-storage", "vcfs-idserver", "mount.vcfs") if not os.path.exists(env.program(p))]
        return f"{', '.join(missing)} not built in {env.BIN}" if missing else None

    def __init__(self, options):
        self.options = options
        # What a workload removed goes at once, as everywhere here: else its pages stay in the cache, and the next one pays for others.
        self.cluster = Cluster(mount=False, options=["--option=tracker.trash-retention=0s", *(options.vcfs_option or ())])

    def start(self):
        self.cluster.up()
        self.mount = self.cluster.mount_again("bench", self.options.mount_options)

    def stop(self):
        self.cluster.close()

    def remount(self):
        self.cluster.unmount(self.mount)
        self.mount = self.cluster.mount_again("bench", self.options.mount_options)

    def second_mount(self):
        return self.cluster.mount_again("bench-second", self.options.mount_options)

    def memory_bytes(self):
        from vcfs_test.reaper import processes_naming
        sizes = [_rss(pid) for pid in processes_naming(str(self.mount)) if _name(pid).startswith("mount.vcfs")]
        return max(sizes) if sizes else None

    @property
    def url(self):
        return self.cluster.url


class Gluster(Mountable):
    """Replica 2, two bricks on this machine. Uses glusterd's usual place: not for a machine that runs Gluster otherwise."""

    name = "glusterfs"
    copies = 2
    VOLUME = "vcfsbench"

    @classmethod
    def missing(cls):
        if not shutil.which("glusterd"):
            return "glusterfs-server is not installed"
        return "needs root" if os.geteuid() else None

    def start(self):
        super().start()
        self.host = run(["hostname"]).stdout.strip()
        config = self.scratch.path / "glusterd.vol"
        config.write_text("volume management\n type mgmt/glusterd\n option working-directory /var/lib/glusterd\n"
                          " option transport-type socket\n option transport.socket.listen-port 24007\n"
                          " option transport.socket.bind-address 127.0.0.1\nend-volume\n")
        self.daemon = subprocess.Popen(["glusterd", "-N", "-f", str(config), "-l", str(self.scratch.path / "glusterd.log")])
        wait_for(lambda: self._gluster("volume", "list", check=False).returncode == 0, 30, "glusterd")
        bricks = [f"{self.host}:{self.scratch.path}/brick{i}" for i in (1, 2)]
        for i in (1, 2):
            (self.scratch.path / f"brick{i}").mkdir()
        self._gluster("volume", "create", self.VOLUME, "replica", "2", *bricks, "force")
        self._gluster("volume", "start", self.VOLUME)
        self._mount(self.mount)

    def _gluster(self, *words, check=True):
        return run(["gluster", "--mode=script", *words], check=check)

    def _mount(self, point):
        wait_for(lambda: run(["mount", "-t", "glusterfs", f"{self.host}:/{self.VOLUME}", str(point)], check=False).returncode == 0
                 and os.path.ismount(point), 30, "GlusterFS's mount", interval=0.5)

    def stop(self):
        self._unmount()
        self._gluster("volume", "stop", self.VOLUME, "force", check=False)
        self._gluster("volume", "delete", self.VOLUME, check=False)
        self.daemon.terminate()
        self.daemon.wait(20)
        super().stop()


class MooseFs(Mountable):
    """Goal 2, one master, two chunk servers. Its master refuses 127.0.0.0/8, so lo gets addresses of a private network."""

    name = "moosefs"
    copies = 2
    NETWORK = "10.98.77"

    @classmethod
    def missing(cls):
        for program in ("mfsmaster", "mfschunkserver", "mfsmount"):
            if not shutil.which(program):
                return f"{program} is not installed"
        return "needs root" if os.geteuid() else None

    def _daemon(self, program, name, lines):
        folder = self.scratch.path / name
        folder.mkdir()
        config = self.scratch.path / f"{name}.cfg"
        config.write_text("\n".join(["WORKING_USER = root", "WORKING_GROUP = root", f"DATA_PATH = {folder}", *lines]) + "\n")
        if program == "mfsmaster":
            shutil.copy("/var/lib/mfs/metadata.mfs.empty", folder / "metadata.mfs")
        run([program, "-c", str(config), "start"])
        self.started.append((program, config))

    def start(self):
        super().start()
        self.started = []
        address = [f"{self.NETWORK}.{i}" for i in range(4)]
        for i in (1, 2, 3):
            run(["ip", "addr", "add", f"{address[i]}/32", "dev", "lo"], check=False)
        (self.scratch.path / "exports").write_text("* / rw,alldirs,admin,maproot=0:0\n")
        (self.scratch.path / "topology").write_text("")
        self._daemon("mfsmaster", "master", [f"EXPORTS_FILENAME = {self.scratch.path}/exports",
                                             f"TOPOLOGY_FILENAME = {self.scratch.path}/topology",
                                             *[f"{x}_LISTEN_HOST = {address[1]}" for x in ("MATOML", "MATOCS", "MATOCL")]])
        for i in (1, 2):
            disk = self.scratch.path / f"disk{i}"
            disk.mkdir()
            (self.scratch.path / f"hdd{i}").write_text(f"{disk}\n")
            self._daemon("mfschunkserver", f"chunk{i}", [f"HDD_CONF_FILENAME = {self.scratch.path}/hdd{i}", f"BIND_HOST = {address[i + 1]}",
                                                         f"MASTER_HOST = {address[1]}", f"CSSERV_LISTEN_HOST = {address[i + 1]}",
                                                         "HDD_LEAVE_SPACE_DEFAULT = 256MiB"])
        time.sleep(3)  # chunk servers register without telling anybody
        self._mount(self.mount)
        run(["mfssetgoal", "-r", "2", str(self.mount)])
        run(["mfssettrashtime", "-r", "0", str(self.mount)])

    def _mount(self, point):
        run(["mfsmount", str(point), "-H", f"{self.NETWORK}.1", "-o", "nonempty"])
        wait_for(lambda: os.path.ismount(point), 20, "mfsmount")

    def stop(self):
        self._unmount()
        for program, config in reversed(self.started):
            run([program, "-c", str(config), "stop"], check=False)
        for i in (1, 2, 3):
            run(["ip", "addr", "del", f"{self.NETWORK}.{i}/32", "dev", "lo"], check=False)
        super().stop()


def _rss(pid):
    try:
        with open(f"/proc/{pid}/status") as f:
            return next(int(x.split()[1]) * 1024 for x in f if x.startswith("VmRSS:"))
    except (OSError, StopIteration):
        return 0


def _name(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return ""


ALL = [LocalDisk, Passthrough, Vcfs, Gluster, MooseFs]


def by_name(name):
    for system in ALL:
        if system.name == name:
            return system
    raise Failed(f"no system is called {name}; there are {', '.join(s.name for s in ALL)}")
