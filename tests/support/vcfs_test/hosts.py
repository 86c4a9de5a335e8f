"""A cluster whose servers are on hosts of their own (network.py), for faults of networks, hosts and disks.

`vcfs up` starts a cluster on one machine, so the daemons are started here as on several machines: one command line each, on its
host. The verbs are those of Cluster; `host(name)` has the ones of the network.
"""
import contextlib
import subprocess

from . import env
from .cluster import Cluster, CommandFailed
from .network import Network, require_root_network
from .scratch import Scratch
from .wait import wait_for

TRACKER_PORT, IDSERVER_PORT, STORAGE_PORT, HTTP_PORT = 21000, 21010, 21100, 21080


class Daemon:
    """One process of one host: how it is started, and its present incarnation."""

    def __init__(self, name, host, line, ready, log):
        self.name, self.host, self.line, self.ready, self.log = name, host, line, ready, log
        self.process = None

    def start(self):
        self.ready.unlink(missing_ok=True)
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.host.prefix + self.line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_ready(self):
        wait_for(lambda: self.ready.exists() or self.process.poll() is not None, 30, f"{self.name} to answer", interval=0.005)
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")

    def running(self):
        return self.process is not None and self.process.poll() is None


def with_options(line, options):
    """Pairs of a name and its value."""
    line = list(line)
    for name, value in zip(options[::2], options[1::2]):
        if name in line:
            line[line.index(name) + 1] = str(value)
        else:
            line += [name, str(value)]
    return line


class HostCluster(Cluster):
    """
    with HostCluster(storages=3) as c:
        c.host("s1").cut_from(c.host("s2"))     # hosts: tracker0…, s1…, httpd0, recorder, viewer, and what is asked for
        c.kill("s1"); c.restart("s1")           # processes: tracker0…, s1…, httpd0, mount0 (recorder), mount1 (viewer)

    catalog(cluster) makes the catalog's URL, or a function that has one for each tracker; without it there is one tracker on
    SQLite. `told`: the trackers' hosts that clients and storages are told of (default: all). `idservers` (they need a catalog in
    MariaDB): 0: ids come from the catalog. `httpd`: how many HTTP servers. `disks`: {storage: data directory}.
    `strangers`: each tracker is told of itself alone, only storages of all.
    """

    def __init__(self, storages=3, copies=2, trackers=1, catalog=None, told=None, httpd=False, mount_options="", disks=None,
                 storage_options=(), tracker_options=(), idservers=0, strangers=False):  # pylint: disable=super-init-not-called
        self.scratch = None
        require_root_network()
        self.scratch = Scratch()
        self.network = None
        self.mount = self.scratch.path / "mnt"
        self._count, self._copies, self._trackers = storages, copies, trackers
        self._catalog, self._told, self._httpd, self._idservers = catalog, told, int(httpd), idservers
        self._mount_options, self._disks, self._strangers = mount_options, disks or {}, strangers
        self._storage_options, self._tracker_options = list(storage_options), list(tracker_options)
        self._daemons = {}
        self._mounts = []
        self._stopped = set()
        self._closers = contextlib.ExitStack()
        self.directory = None

    # ---- life

    def up(self):
        """Everything once; later what is not running."""
        if self.network is None:
            self._build()
        for kind in ("idserver", "tracker", "s", "httpd", "mount"):
            fresh = [d for n, d in self._daemons.items() if n.rstrip("0123456789") == kind and not d.running()]
            for daemon in fresh:
                if kind == "mount":
                    self._detach(daemon)
                daemon.start()
            for daemon in fresh:
                daemon.wait_ready()
        self._wait_registered()
        return self

    def _build(self):
        self.network = Network(self.scratch.path)
        for folder in ("run", "log", "catalog"):
            (self.scratch.path / folder).mkdir()
        self.admin = self.network.host("admin")
        url = self._catalog(self) if self._catalog else f"sqlite:{self.scratch.path}/catalog/catalog.db"
        hosts = [self.network.host(f"tracker{i}") for i in range(self._trackers)]
        self.addresses = [f"{h.address}:{TRACKER_PORT}" for h in hosts]
        told = self._addresses(self._told)
        ids = self._add_idservers(url)
        for i, host in enumerate(hosts):
            listen = f"{host.address}:{TRACKER_PORT}"
            others = listen if self._strangers else ",".join(self.addresses)
            self._add(f"tracker{i}", host, ["vcfs-tracker", "--listen", listen, "--trackers", others,
                                            "--catalog", url(i) if callable(url) else url, "--copies", self._copies, *ids,
                                            *self._tracker_options])
        for i in range(1, self._count + 1):
            self._add_storage(f"s{i}", ",".join(self.addresses) if self._strangers else told)
        for i in range(self._httpd):
            host = self.network.host(f"httpd{i}")
            self._add(host.name, host, ["vcfs-httpd", "--listen", f"{host.address}:{HTTP_PORT}", "--trackers", told])
        self._add_mount("recorder", self.mount, self._mount_options)

    def _add(self, name, host, line):
        ready = self.scratch.path / "run" / f"{name}.ready"
        full = [env.program(line[0]), *map(str, line[1:]), "--ready-file", str(ready)]
        self._daemons[name] = Daemon(name, host, full, ready, self.scratch.path / "log" / f"{name}.log")
        return self._daemons[name]

    def _add_idservers(self, url):
        """Returns the trackers' options that name them."""
        hosts = [self.network.host(f"idserver{i}") for i in range(self._idservers)]
        addresses = [f"{host.address}:{IDSERVER_PORT}" for host in hosts]
        for i, (host, address) in enumerate(zip(hosts, addresses)):
            self._add(host.name, host, ["vcfs-idserver", "--listen", address, "--catalog", url(i) if callable(url) else url])
        return ["--idservers", ",".join(addresses)] if addresses else []

    def _add_storage(self, name, told):
        host = self.network.host(name)
        data = self._disks.get(name) or self.scratch.disk(name) / "data"
        self._add(name, host, ["vcfs-storage", "--name", name, "--zone", name, "--group", "g1", "--data", data, "--listen",
                               f"{host.address}:{STORAGE_PORT}", "--trackers", told, *self._storage_options])

    def _addresses(self, trackers):
        return ",".join(self.addresses[i] for i in (trackers or range(self._trackers)))

    def _add_mount(self, host_name, point, options="", told=None):
        point.mkdir(exist_ok=True)
        daemon = self._add(f"mount{len(self._mounts)}", self.network.host(host_name),
                           ["mount.vcfs", f"{self._addresses(told or self._told)}:/", point, "--foreground", "-o",
                            ",".join(["rw", *filter(None, [options])])])
        daemon.point = point
        self._mounts.append(daemon)
        return daemon

    @staticmethod
    def _detach(daemon):
        subprocess.run(["umount", "-l", str(daemon.point)], check=False, stderr=subprocess.DEVNULL, timeout=30)

    def _wait_registered(self):
        def all_up():
            status = self.status()
            return all(t["state"] == "up" for t in status["trackers"]) and \
                len([s for s in status["storages"] if s["state"] == "up"]) == self._count
        wait_for(all_up, 20, "every tracker and storage server to be up")

    def mount_again(self, name="viewer", options="", subdirectory="/", told=None):
        """`told`: the trackers it is told of, the first of which it uses; without it those of the cluster."""
        daemon = self._add_mount(name, self.scratch.path / name, options, told)
        daemon.start()
        daemon.wait_ready()
        return daemon.point

    def close(self, keep_logs_as=None):
        if self.scratch is None:
            return
        if keep_logs_as:
            print(f"logs kept in {self.scratch.keep_logs(keep_logs_as)}", flush=True)
        for daemon in reversed(self._daemons.values()):
            if daemon in self._mounts:
                self._detach(daemon)
            if daemon.running():
                daemon.process.kill()
        for daemon in self._daemons.values():
            if daemon.process:
                daemon.process.wait()
        self._closers.close()
        if self.network:
            self.network.close()
        self.scratch.close()
        self.scratch = None

    def use_disks(self, disks):
        """{storage: data directory}, before up()."""
        self._disks = disks

    def closing(self, thing):
        """thing.close() is called when the cluster is closed."""
        self._closers.callback(thing.close)
        return thing

    # ---- the command line, on a host of its own

    def vcfs(self, command, *args, check=True, timeout=30, stdin=None, text=True):
        line = [*self.admin.prefix, env.program("vcfs"), *command.split(), *map(str, args), "--trackers", ",".join(self.addresses)]
        result = subprocess.run(line, input=stdin, capture_output=True, text=text, timeout=timeout, check=False)
        if check and result.returncode != 0:
            raise CommandFailed(result)
        return result

    @property
    def url(self):
        return self.urls[0]

    @property
    def urls(self):
        return [f"http://{self.network.host(f'httpd{i}').address}:{HTTP_PORT}" for i in range(self._httpd)]

    # ---- processes and hosts

    def host(self, name):
        return self.network.host(name)

    def pid(self, name):
        return self._daemons[name].process.pid

    def names(self):
        return sorted(self._daemons)

    def kill(self, name, number=9):
        daemon = self._daemons[name]
        self._stopped.discard(daemon.process.pid)
        daemon.process.send_signal(number)
        daemon.process.wait(20)

    def restart(self, name):
        daemon = self._daemons[name]
        if daemon.running():
            self.kill(name, 15)
        if daemon in self._mounts:
            self._detach(daemon)
        daemon.start()
        daemon.wait_ready()

    def restart_with(self, name, *options, prefix=()):
        """Instead of an option that it had already, and besides the others; without any as at first."""
        daemon = self._daemons[name]
        usual, daemon.line = daemon.line, [*prefix, *with_options(daemon.line, options)]
        self.restart(name)
        daemon.line = usual

    def running(self, name):
        return self._daemons[name].running()
