"""Hosts of a private network on this machine: a network namespace each, joined by a bridge in one more.

Nothing in the machine's own network changes, so that addresses may be the same in every test run. Processes of a host are started
with `nsenter`, which leaves files and mounts common to all. Faults are made where packets arrive: a host drops what comes from the
addresses it is told to (nftables), so that a sender sees nothing but silence, as behind a dead switch; a slow or lossy cable is a
program between the host and the bridge (wire.py), since not every kernel has netem.

Everything is named after the scratch directory; reaper.py removes it, also when the test is killed.
"""
import os
import subprocess
import sys
import unittest
from pathlib import Path

from . import wire
from .reaper import namespaces_of

SUBNET = "10.77.0"
EVERYBODY = "0.0.0.0/0"
RULES = """table inet faults {
  set silent { type ipv4_addr; flags interval; auto-merge; }
  chain input {
    type filter hook input priority 0;
    iifname "eth0" ip saddr @silent drop
  }
}
"""


class NotPossible(Exception):
    pass


def require_root_network():
    """Skips the test on a machine where namespaces cannot be made; with CI=true that is an error."""
    require("network namespaces", _obstacle())


def require(what, problem):
    """Without a problem nothing; else the test is skipped, or fails with CI=true."""
    if problem and os.environ.get("CI") == "true":
        raise AssertionError(f"{what} are needed: {problem}")
    if problem:
        raise unittest.SkipTest(f"{what} are needed: {problem}")


_checked = []


def _obstacle():
    """Tried once: a bridge, a rule, and a process in a namespace."""
    if not _checked:
        name = f"vcfs-probe-{os.getpid()}"
        try:
            _ip("netns", "add", name)
            try:
                _ip("-n", name, "link", "add", "bridge", "type", "bridge")
                _inside(name, ["nft", "-f", "-"], stdin=RULES)
            finally:
                _ip("netns", "del", name)
            _checked.append("")
        except (NotPossible, FileNotFoundError) as e:
            _checked.append(str(e))
    return _checked[0]


def _run(line, stdin=None):
    result = subprocess.run(line, input=stdin, capture_output=True, text=True, check=False, timeout=30)
    if result.returncode != 0:
        raise NotPossible(f"{' '.join(line)}: {result.stderr.strip()}")
    return result.stdout


def _ip(*arguments):
    return _run(["ip", *map(str, arguments)])


def _inside(namespace, line, stdin=None):
    return _run(prefix_of(namespace) + line, stdin)


def prefix_of(namespace):
    return ["nsenter", f"--net=/run/netns/{namespace}", "--"]


class Network:
    def __init__(self, scratch):
        require_root_network()
        self._tag = Path(scratch).name
        self._scratch = str(scratch)
        self.hosts = {}
        self.switch = f"{self._tag}-switch"
        _ip("netns", "add", self.switch)
        self._switch_ip(["link add bridge type bridge", "link set bridge up", "link set lo up"])

    def _switch_ip(self, lines):
        _run(["ip", "-n", self.switch, "-batch", "-"], "\n".join(lines) + "\n")

    def host(self, name):
        """The host of that name; made when it is new."""
        if name not in self.hosts:
            self.hosts[name] = Host(self, name, f"{SUBNET}.{len(self.hosts) + 10}")
        return self.hosts[name]

    def heal(self):
        for host in self.hosts.values():
            host.heal()

    def close(self):
        for host in self.hosts.values():
            host.close()
        for name in namespaces_of(self._tag):
            _ip("netns", "del", name)


class Host:
    """`prefix` before a command line runs it on this host."""

    def __init__(self, network, name, address):
        self.network, self.name, self.address = network, name, address
        self._number = address.rsplit(".", 1)[1]
        self.namespace = f"{network._tag}-{name}"
        self.prefix = prefix_of(self.namespace)
        self._wire = None
        self._silent = set()  # addresses that are not heard here
        _ip("netns", "add", self.namespace)
        network._switch_ip([f"link add port{self._number} type veth peer name eth0 netns {self.namespace}",
                            f"link set port{self._number} master bridge", f"link set port{self._number} up"])
        _run(["ip", "-n", self.namespace, "-batch", "-"],
             f"link set lo up\naddr add {address}/24 dev eth0\nlink set eth0 up\n")
        _inside(self.namespace, ["nft", "-f", "-"], RULES)

    # ---- faults

    def deaf_to(self, *others):
        """What these hosts send does not arrive here; what this one sends does arrive there."""
        self._hear_all_but(self._silent | {other.address for other in others})

    def _hear_all_but(self, silent):
        """In one step: nothing that was silent before and after is heard in between."""
        if silent != self._silent:
            elements = f"add element inet faults silent {{ {', '.join(silent)} }}\n" if silent else ""
            _inside(self.namespace, ["nft", "-f", "-"], stdin="flush set inet faults silent\n" + elements)
            self._silent = set(silent)

    def cut_from(self, *others):
        """Nothing passes between this host and those."""
        self.deaf_to(*others)
        for other in others:
            other.deaf_to(self)

    def others(self):
        return [host for host in self.network.hosts.values() if host is not self]

    def cut(self):
        """Nothing passes between this host and any other."""
        self.cut_in()
        self.cut_out()

    def cut_in(self):
        """It hears nobody, everybody hears it."""
        self._hear_all_but(self._silent | {EVERYBODY})

    def cut_out(self):
        """It hears everybody, nobody hears it."""
        for other in self.others():
            other.deaf_to(self)

    def join(self):
        """The end of cut(): everything passes between this host and those that are not cut off themselves."""
        self._hear_all_but(self._silent - {EVERYBODY})
        for other in self.others():
            other._hear_all_but(other._silent - {self.address})

    def slow(self, delay_ms=0, loss_percent=0, mbit=0, seed=1):
        """Each packet of this host, in both directions, is late by so much or lost with this chance; not more than `mbit` in a second
        pass each way (0: as many as there are)."""
        self._end_wire()
        a, b, far = f"port{self._number}", f"wire{self._number}", f"far{self._number}"
        self.network._switch_ip([f"link add {b} type veth peer name {far}", f"link set {far} master bridge",
                                 f"link set {b} up", f"link set {far} up"])
        line = prefix_of(self.network.switch) + [sys.executable, wire.__file__, a, b, str(delay_ms), str(loss_percent),
                                                 str(mbit), str(seed), self.network._scratch]
        self._wire = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._wire.stdout.readline()
        # Quickly: until the cable carries, every packet is lost.
        self.network._switch_ip([f"link set {a} nomaster"])
        self._wire.stdin.write(b"go\n")
        self._wire.stdin.flush()

    def heal(self):
        self._hear_all_but(set())
        self._end_wire()

    def _end_wire(self):
        if not self._wire:
            return
        self.close()
        self.network._switch_ip([f"link del wire{self._number}", f"link set port{self._number} master bridge"])

    def close(self):
        if self._wire:
            self._wire.kill()
            self._wire.wait()
            self._wire.stdout.close()
            self._wire.stdin.close()
            self._wire = None
