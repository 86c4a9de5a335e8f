"""A private MariaDB server, alone or as a node of a Galera cluster, on a host of a private network."""
import os
import re
import shutil
import signal
import subprocess

from . import env
from .network import require
from .wait import wait_for

PORT = 3306
GALERA = "/usr/lib/galera/libgalera_smm.so"
USER, PASSWORD, DATABASE = "vcfs", "secret", "vcfs"


def _template():
    """An empty data directory, made once for this build tree: it takes seconds and is the same every time."""
    target = env.CACHE / "mariadb"
    if not (target / "mysql").exists():
        env.CACHE.mkdir(parents=True, exist_ok=True)
        making, temporary = env.CACHE / "mariadb.new", env.CACHE / "mariadb.tmp"
        shutil.rmtree(making, ignore_errors=True)
        temporary.mkdir(exist_ok=True)
        subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={making}", "--user=root", "--skip-test-db",
                        "--auth-root-authentication-method=normal", "--innodb-log-file-size=16M", f"--tmpdir={temporary}"],
                       check=True, capture_output=True, timeout=120)
        shutil.rmtree(target, ignore_errors=True)
        making.rename(target)
    return target


class MariadbServer:
    """`peers`: every node's host, this one's too, when it is one of a Galera cluster."""

    def __init__(self, cluster, name="db", peers=()):
        needed = ["/usr/sbin/mariadbd", "/usr/bin/mariadb-install-db", *([GALERA, "/usr/bin/rsync"] if peers else [])]
        require("MariaDB and Galera", ", ".join(f"there is no {path}" for path in needed if not os.path.exists(path)))
        self.host = cluster.host(name)
        self.name = name
        self._data = cluster.scratch.path / name
        self._log = cluster.scratch.path / "log" / f"{name}.log"
        self._peers = list(peers)
        self.process = None
        subprocess.run(["cp", "-r", "--sparse=always", str(_template()), str(self._data)], check=True)
        # As the packages do: Galera's transfer of state does not work as root.
        subprocess.run(["chown", "-R", "mysql:", str(self._data)], check=True)
        self._socket = self._data / "s"
        # A server that starts removes the temporary tables in its directory, whosever they are.
        self._temporary = cluster.scratch.path / f"{name}.tmp"
        self._temporary.mkdir()
        subprocess.run(["chown", "mysql:", str(self._temporary)], check=True)

    def _line(self, first):
        line = ["mariadbd", "--no-defaults", f"--datadir={self._data}", "--user=mysql", f"--socket={self._socket}",
                f"--bind-address={self.host.address}", f"--port={PORT}", "--skip-name-resolve", "--innodb-buffer-pool-size=64M",
                "--innodb-log-file-size=16M", "--innodb-autoinc-lock-mode=2", "--binlog-format=ROW", f"--pid-file={self._data}/pid",
                "--performance-schema=OFF", "--max-connections=100", f"--tmpdir={self._temporary}"]
        if self._peers:
            addresses = ",".join(host.address for host in self._peers)
            # As docs/operations.md says: a node that is not heard of for 2 s is given up, and the others agree on it at once. With
            # less, three nodes on a busy machine give each other up.
            options = ("evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;evs.install_timeout=PT4S;evs.keepalive_period=PT0.25S;"
                       "evs.inactive_check_period=PT0.1S;evs.join_retrans_period=PT0.25S;gcache.size=16M;pc.recovery=false")
            line += ["--wsrep-on=ON", f"--wsrep-provider={GALERA}", "--wsrep-cluster-name=vcfs-test", "--wsrep-sst-method=rsync",
                     f"--wsrep-node-address={self.host.address}", f"--wsrep-node-name={self.name}",
                     f"--wsrep-cluster-address=gcomm://{'' if first else addresses}",
                     f"--wsrep-provider-options={options}", "--innodb-flush-log-at-trx-commit=1"]
        return line

    def start(self, first=False, options=()):
        """`first`: the node that begins a Galera cluster."""
        with open(self._log, "a") as log:
            line = [*self.host.prefix, *self._line(first), *options]
            self.process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def wait_ready(self, deadline=40):
        def ready():
            if self.process.poll() is not None:
                return "ended"
            if not self._peers:
                return self.sql("SELECT 1")
            return "Synced" in self.sql("SHOW STATUS LIKE 'wsrep_local_state_comment'")
        if wait_for(ready, deadline, f"{self.name} to answer") == "ended":
            raise AssertionError(f"{self.name} ended: {self._log.read_text()[-2000:]}")
        return self

    def make_database(self):
        self.sql(f"CREATE DATABASE IF NOT EXISTS {DATABASE}; CREATE USER IF NOT EXISTS {USER}@'%' IDENTIFIED BY '{PASSWORD}';"
                 f"GRANT ALL ON {DATABASE}.* TO {USER}@'%'; GRANT RELOAD ON *.* TO {USER}@'%'")
        return self

    def sql(self, text):
        line = ["mariadb", "--no-defaults", f"--socket={self._socket}", "--user=root", "--batch", "--skip-column-names", "-e", text]
        result = subprocess.run(line, capture_output=True, text=True, check=False, timeout=20)
        if result.returncode != 0:
            raise AssertionError(f"{text}: {result.stderr}")
        return result.stdout

    def kill(self):
        self.process.kill()
        self.process.wait()

    def hang(self):
        """It keeps its connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def refuses(self):
        """Whether it answers that it is not ready for use, as a node without a majority does."""
        try:
            self.sql(f"SELECT COUNT(*) FROM {DATABASE}.schema_version")
        except AssertionError as e:
            return "ERROR 1047 " in str(e)
        return False

    def users(self):
        """The addresses from which somebody is connected to the database."""
        answer = self.sql("SHOW PROCESSLIST")
        return {row.split("\t")[2].split(":")[0] for row in answer.splitlines() if row.split("\t")[1] == USER}

    def status(self, name):
        """A number of SHOW GLOBAL STATUS."""
        return int(self.sql(f"SHOW GLOBAL STATUS LIKE '{name}'").split("\t")[1])

    def stop(self):
        """As an administrator does: a node of a Galera cluster says goodbye."""
        self.process.terminate()
        self.process.wait(60)

    # ---- what docs/operations.md says to an administrator whose nodes have no majority

    def recovered_position(self):
        """UUID:NUMBER of the last transaction on its disk; the node is not running."""
        result = subprocess.run([*self.host.prefix, *self._line(False), "--wsrep-recover"], capture_output=True, text=True,
                                check=False, timeout=40)
        return re.search(r"Recovered position: ([0-9a-f-]+:\d+)", result.stderr).group(1)

    def begin_again(self, position):
        """With what is on its disk; the others join it. `position`: the recovered one."""
        state = self._data / "grastate.dat"
        state.write_text(state.read_text().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1"))
        return self.start(first=True, options=[f"--wsrep-start-position={position}"])

    def become_majority(self):
        self.sql("SET GLOBAL wsrep_provider_options = 'pc.bootstrap=YES'")

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()


def url(*hosts):
    return f"mariadb://{USER}:{PASSWORD}@{','.join(f'{h.address}:{PORT}' for h in hosts)}/{DATABASE}"


def one_server(cluster):
    """For HostCluster(catalog=…): one server, cluster.databases[0]."""
    cluster.databases = [cluster.closing(MariadbServer(cluster).start()).wait_ready().make_database()]
    return url(cluster.databases[0].host)


def galera(cluster):
    """For HostCluster(catalog=…): three nodes, cluster.databases."""
    hosts = [cluster.host(f"db{i}") for i in range(3)]
    cluster.databases = [cluster.closing(MariadbServer(cluster, f"db{i}", hosts)) for i in range(3)]
    cluster.databases[0].start(first=True).wait_ready().make_database()
    for server in cluster.databases[1:]:
        server.start()
    for server in cluster.databases[1:]:
        server.wait_ready()
    return url(*hosts)


def galera_preferring(cluster):
    """As galera(), and each tracker prefers another node."""
    galera(cluster)
    hosts = [server.host for server in cluster.databases]
    return lambda number: url(hosts[number], *(h for h in hosts if h is not hosts[number]))
