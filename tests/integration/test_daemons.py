"""Each daemon's own door: bad options and configurations are refused with a reason and without a trace on disk."""
import os
import socket
import subprocess
import unittest

from vcfs_test import env
from vcfs_test.expand import each, expand
from vcfs_test.scratch import Scratch

GOOD = {
    "vcfs-idserver": {"--listen": "127.0.0.1:0", "--data": "DATA"},
    "vcfs-tracker": {"--listen": "127.0.0.1:0", "--catalog": "sqlite:DATA/catalog", "--idservers": "127.0.0.1:9", "--trackers":
                     "127.0.0.1:9", "--cluster": "test"},
    "vcfs-storage": {"--name": "s1", "--group": "g1", "--data": "DATA", "--listen": "127.0.0.1:0", "--trackers": "127.0.0.1:9"},
    "vcfs-httpd": {"--listen": "127.0.0.1:0", "--trackers": "127.0.0.1:9"},
}

BAD = [
    ("idserver_without_data", "vcfs-idserver", {"--data": None}, "data"),
    ("idserver_port_beyond_65535", "vcfs-idserver", {"--listen": "127.0.0.1:70000"}, "70000"),
    ("idserver_address_without_port", "vcfs-idserver", {"--listen": "127.0.0.1"}, "127.0.0.1"),
    ("idserver_recover_above_with_a_catalog", "vcfs-idserver",
     {"--data": None, "--catalog": "mariadb://u:p@127.0.0.1:9/db", "--recover-above": "5"}, "UPDATE id_ranges"),
    ("idserver_port_taken", "vcfs-idserver", {"--listen": "TAKEN"}, "TAKEN"),
    ("idserver_data_that_is_a_file", "vcfs-idserver", {"--data": "FILE"}, "FILE"),
    ("tracker_unknown_catalog", "vcfs-tracker", {"--catalog": "oracle:x"}, "oracle"),
    ("tracker_without_catalog", "vcfs-tracker", {"--catalog": None}, "catalog"),
    ("tracker_of_several_with_sqlite", "vcfs-tracker", {"--trackers": "127.0.0.1:1,127.0.0.1:2"}, "mariadb"),
    ("tracker_port_taken", "vcfs-tracker", {"--listen": "TAKEN"}, "TAKEN"),
    ("tracker_copies_zero", "vcfs-tracker", {"--copies": "0"}, "copies"),
    ("tracker_bad_retention", "vcfs-tracker", {"--trash-retention": "soon"}, "soon"),
    ("storage_port_taken", "vcfs-storage", {"--listen": "TAKEN"}, "TAKEN"),
    ("storage_listen_at_an_unknown_host", "vcfs-storage", {"--listen": "no-such-host.invalid:21100"}, "no such host"),
    ("storage_without_name", "vcfs-storage", {"--name": None}, "name"),
    ("storage_empty_name", "vcfs-storage", {"--name": ""}, "name"),
    ("storage_name_with_a_slash", "vcfs-storage", {"--name": "a/b"}, "a/b"),
    ("storage_bad_reserve", "vcfs-storage", {"--reserve": "a lot"}, "a lot"),
    ("storage_data_that_is_a_file", "vcfs-storage", {"--data": "FILE"}, "FILE"),
    ("storage_bad_tracker_list", "vcfs-storage", {"--trackers": "host:port:more"}, "host:port:more"),
    ("httpd_without_trackers", "vcfs-httpd", {"--trackers": None}, "trackers"),
    ("httpd_unknown_option", "vcfs-httpd", {"--colour": "red"}, "colour"),
    ("storage_unknown_log_level", "vcfs-storage", {"--log-level": "shout"}, "shout"),
    ("storage_absent_config", "vcfs-storage", {"--config": "ABSENT"}, "ABSENT"),
    ("storage_config_with_unknown_key", "vcfs-storage", {"--config": "CONFIG:colour = \"red\"\n"}, "colour"),
    ("storage_config_that_is_garbage", "vcfs-storage", {"--config": "CONFIG:\x01\x02[[["}, "config"),
]


@expand
class BadOptions(unittest.TestCase):
    time_limit = 40

    def setUp(self):
        self.scratch = Scratch()
        self.addCleanup(self.scratch.close)

    def value(self, text):
        if text == "TAKEN":
            return self.taken
        for name, replacement in (("DATA", self.scratch.path / "data"), ("FILE", self.scratch.path / "file"),
                                  ("ABSENT", self.scratch.path / "absent.conf")):
            text = text.replace(name, str(replacement))
        if text.startswith("CONFIG:"):
            (self.scratch.path / "bad.conf").write_text(text[7:])
            return str(self.scratch.path / "bad.conf")
        return text

    @each(BAD)
    def test(self, program, change, says):
        (self.scratch.path / "file").write_bytes(b"precious")
        other = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(other.close)
        self.taken = f"127.0.0.1:{other.getsockname()[1]}"
        options = {**GOOD[program], **change}
        line = [env.program(program)]
        for key, value in options.items():
            if value is not None:
                line += [key, self.value(value)]
        try:
            result = subprocess.run(line, capture_output=True, text=True, timeout=20, check=False)
        except subprocess.TimeoutExpired:
            self.fail(f"{' '.join(line)} keeps running")
        self.assertNotEqual(result.returncode, 0)
        self.assertGreater(result.returncode, 0, "killed by a signal")
        self.assertIn(self.value(says).lower() if says.isupper() else says.lower(), (result.stderr + result.stdout).lower())
        self.assertEqual((self.scratch.path / "file").read_bytes(), b"precious")
        self.assertFalse(os.path.exists(self.scratch.path / "data") and os.listdir(self.scratch.path / "data"))


if __name__ == "__main__":
    unittest.main()
