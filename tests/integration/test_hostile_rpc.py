"""Bytes that are no protocol, sent to every daemon's port: the daemon lives, keeps its memory, and serves."""
import os
import random
import socket
import struct
import unittest

from vcfs_test import env, shared
from vcfs_test.expand import each, expand
from vcfs_test.files import pattern

DAEMONS = ("tracker", "idserver", "storage", "httpd")


def words(*values):
    return struct.pack(f"<{len(values)}I", *values)


SEEDED = random.Random(7)
ATTACKS = [
    ("nothing", b""),
    ("one_byte", b"\x00"),
    ("random_bytes", SEEDED.randbytes(100_000)),
    ("text", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("tls_hello", bytes.fromhex("16030100c8010000c40303") + SEEDED.randbytes(200)),
    ("two_to_the_32_segments", words(0xffffffff) + bytes(64)),
    ("a_million_segments", words(1_000_000 - 1) + words(*[1] * 1000)),
    ("segment_of_32_gigabytes", words(0, 0xffffffff) + bytes(64)),
    ("segment_of_one_gigabyte_never_sent", words(0, 1 << 27) + bytes(4096)),
    ("segments_that_overflow_their_sum", words(3, 0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff)),
    ("empty_message", words(0, 0)),
    ("many_empty_messages", words(0, 0) * 10000),
    ("truncated_header", words(5, 1)),
    ("truncated_body", words(0, 100) + bytes(16)),
    ("root_pointer_out_of_bounds", words(0, 1) + struct.pack("<Q", 0x0000000100000ff0)),
    ("root_pointer_to_itself", words(0, 1) + struct.pack("<Q", 0x00000001fffffffc)),
    ("far_pointer_to_nowhere", words(0, 1) + struct.pack("<Q", 0x00000007000000fa)),
    ("list_as_root", words(0, 2) + struct.pack("<QQ", 0xffffffff00000001, 0)),
    ("a_struct_of_ones", words(0, 64) + b"\xff" * 512),
    ("many_random_messages", b"".join(words(0, 8) + SEEDED.randbytes(64) for _ in range(500))),
    ("zeros", bytes(1 << 20)),
]


@expand
class HostileBytes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = shared.cluster()
        (cls.cluster.mount / "witness").write_bytes(pattern(200_000))
        status = cls.cluster.status()
        cls.targets = {"tracker": ("tracker0", status["trackers"][0]["address"]),
                       "idserver": ("idserver0", status["idservers"][0]["address"]),
                       "storage": (status["storages"][0]["name"], status["storages"][0]["address"]),
                       "httpd": ("httpd0", status["httpds"][0]["address"])}
        cls.pids = {name: cls.cluster.pid(name) for name, _ in cls.targets.values()}
        cls.memory = {name: cls.cluster.rss_bytes(name) for name, _ in cls.targets.values()}

    def connect(self, address):
        host, port = address.rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=10)

    def attack(self, address, data, reset):
        with self.connect(address) as s:
            try:
                s.sendall(data)
                if reset:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    s.shutdown(socket.SHUT_WR)
                    s.settimeout(3)
                    while s.recv(65536):
                        pass
            except OSError:
                pass  # being thrown out is the proper answer

    def assert_serves(self, daemon):
        name, _ = self.targets[daemon]
        now = {n: self.cluster.pid(n) for n in [name]}
        status = self.cluster.status()
        self.assertEqual(now[name], self.pids[name])
        self.assertTrue(all(s["state"] in ("up", "ready", "ok") for s in status["storages"]), status["storages"])
        path = self.cluster.mount / f"after-{daemon}"
        path.write_bytes(b"served")
        self.assertEqual(path.read_bytes(), b"served")
        os.unlink(path)
        self.assertLess(self.cluster.rss_bytes(name), self.memory[name] + (96 << 20) * env.SLOWDOWN)

    @each([(f"{daemon}_{name}", daemon, data) for daemon in DAEMONS for name, data in ATTACKS])
    def test(self, daemon, data):
        for reset in (False, True):
            self.attack(self.targets[daemon][1], data, reset)
        self.assert_serves(daemon)

    @each([(d, d) for d in DAEMONS])
    def test_half_a_message_held_open_hurts_nobody(self, daemon):
        held = [self.connect(self.targets[daemon][1]) for _ in range(200)]
        try:
            for s in held:
                s.sendall(words(0, 1000) + bytes(100))
            self.assert_serves(daemon)
        finally:
            for s in held:
                s.close()

    @each([(d, d) for d in DAEMONS])
    def test_a_thousand_connections_that_come_and_go(self, daemon):
        for _ in range(1000):
            self.connect(self.targets[daemon][1]).close()
        self.assert_serves(daemon)

    def test_the_witness_is_untouched(self):
        self.assertEqual((self.cluster.mount / "witness").read_bytes(), pattern(200_000))


if __name__ == "__main__":
    unittest.main()
