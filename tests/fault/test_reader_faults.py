"""A storage server fails while somebody is in the middle of a finished recording: a program on another host, a viewer over HTTP.

Fault model: the server that is being read from is killed (its connections are reset), hangs (SIGSTOP) or is cut off (packets are
dropped, nobody is told). It is back before the same happens to the other one, with another file. Each is on a host of its own.
Survival is expected because every replica of a sealed file has the same bytes: whoever reads asks the next one.
"""
import os
import signal
import subprocess
import time
import unittest

from fault_case import HUNG_MS, KILLED_MS
from network_case import NetworkCase
from vcfs_test import env
from vcfs_test.cluster import process_io
from vcfs_test.expand import each, expand
from vcfs_test.files import pattern

MIB = 1 << 20
SIZE = 40 * MIB
FAULTS = [("is_killed", "kill", KILLED_MS), ("hangs", "hang", HUNG_MS), ("is_cut_off", "cut_off", HUNG_MS)]


@expand
class Readers(NetworkCase):
    storages = 2
    httpd = True
    DATA = pattern(MIB) * (SIZE // MIB)

    @each(FAULTS)
    def test_read_goes_on_at_the_other_server_when_one(self, fault, stall_ms):
        def read(name, strike):
            with open(self.other / name, "rb", buffering=0) as f:
                return self.read_through(lambda: f.read(MIB), strike)
        self.strike_each_server(read, getattr(self, fault), stall_ms)

    @each(FAULTS)
    def test_http_response_goes_on_from_the_other_server_when_one(self, fault, stall_ms):
        def download(name, strike):
            line = [*self.host("viewer").prefix, "curl", "-sSf", f"{self.cluster.url}/{name}"]
            with subprocess.Popen(line, stdout=subprocess.PIPE) as curl:
                result = self.read_through(lambda: curl.stdout.read1(MIB), strike)
                self.assertEqual(curl.wait(30), 0)
                return result
        self.strike_each_server(download, getattr(self, fault), stall_ms)

    # ---- faults; each returns what mends it

    def kill(self, name):
        """Not waited for: the next read is under way when it dies."""
        os.kill(self.cluster.pid(name), signal.SIGKILL)
        return lambda: self.cluster.restart(name)

    def hang(self, name):
        self.cluster.stop(name)
        return lambda: self.cluster.cont(name)

    def cut_off(self, name):
        self.host(name).cut()
        return self.cluster.network.heal

    # ---- the frame

    def strike_each_server(self, read, fault, stall_ms):
        """Which server a file is read from is the reader's choice: file after file, until both were it."""
        struck, everyone = set(), set(self.cluster.storages())
        for number in range(12):
            if struck == everyone:
                return
            name = f"movie{number}"
            (self.cluster.mount / name).write_bytes(self.DATA)
            self.cluster.wait_in_sync(f"/{name}")
            struck.add(self.strike_in_the_middle(name, read, fault, stall_ms))
        self.fail(f"only {struck} were read from")

    def strike_in_the_middle(self, path, read, fault, stall_ms):
        """Returns the name of the server that was struck."""
        before = self.bytes_read()
        at_strike, mend = {}, []

        def strike():
            at_strike.update(self.bytes_read())
            source = max(before, key=lambda name: at_strike[name] - before[name])
            mend.append(fault(source))
            return source
        got, longest, source = read(path, strike)
        other = next(name for name in before if name != source)
        from_other = self.bytes_read([other])[other] - at_strike[other]
        mend[0]()
        self.cluster.up()
        print(f"{self._testMethodName}: {source}: longest wait {longest * 1000:.0f} ms, {from_other >> 20} MiB from {other}", flush=True)
        self.assertTrue(got == self.DATA, f"{len(got)} bytes came, {len(self.DATA)} wanted, or they differ")
        self.assertGreater(from_other, MIB, "the strike came too late to be noticed")
        self.assertLessEqual(longest * 1000, stall_ms * env.SLOWDOWN)
        return source

    def bytes_read(self, names=("s1", "s2")):
        """By the processes since their start, from files: what they received does not count."""
        return {name: process_io(self.cluster.pid(name))["rchar"] for name in names}

    @staticmethod
    def read_through(read, strike):
        """(all that read() returns, longest wait for the next bytes after the strike, whom it struck)"""
        got, longest = bytearray(read()), 0.0
        while len(got) < MIB:
            got += read()
        source = strike()
        while True:
            begin = time.monotonic()
            piece = read()
            longest = max(longest, time.monotonic() - begin)
            if not piece:
                return got, longest, source
            got += piece


if __name__ == "__main__":
    unittest.main()
