"""Recorders and followers of self-checking records (vcfs-test-io), running beside the test."""
import json
import subprocess

from . import env

BLOCK = 32768
RATE = 500_000  # bytes per second: a 4 Mbit/s recorder


def _arguments(options):
    return [f"{key.replace('_', '-')}={value}" for key, value in options.items() if value is not None]


class _Background:
    def __init__(self, command, target, options, stdin=None):
        self.process = subprocess.Popen([env.helper("vcfs-test-io"), command, str(target), *_arguments(options)],
                                        stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self, timeout=120):
        """Waits for the end and returns what it measured."""
        out, err = self.process.communicate(timeout=timeout)
        if not out.strip():
            raise AssertionError(f"{self.process.args}: exit code {self.process.returncode}, {err}")
        return json.loads(out.strip().splitlines()[-1])

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Recorder(_Background):
    """Writes records to `path` at `rate` bytes/s; fsync every `fsync` ms; until `seconds` are over or stop() is called."""

    def __init__(self, path, seconds=10, rate=RATE, block=BLOCK, stream=1, stop_file=None, **options):
        self._stop_file = stop_file
        super().__init__("record", path, dict(options, seconds=seconds, rate=rate, block=block, stream=stream,
                                              stop_file=stop_file))
        self.opened = self.process.stdout.readline()  # the file exists when the constructor returns

    def stop(self):
        open(self._stop_file, "w").close()


class Follower(_Background):
    """Follows `path` until it did not grow for `idle` seconds, or `done_file` exists and all was read."""

    def __init__(self, path, block=BLOCK, stream=1, **options):
        super().__init__("follow", path, dict(options, block=block, stream=stream))


class HttpFollower(_Background):
    """Follows a ?live=1 stream through curl until the server ends it."""

    def __init__(self, url, block=BLOCK, stream=1, limit=120, prefix=()):
        """prefix: of the command line, where curl runs on another host (network.py)."""
        self.curl = subprocess.Popen([*prefix, "curl", "-sSfN", "--max-time", str(limit), url], stdout=subprocess.PIPE)
        super().__init__("follow", "-", dict(block=block, stream=stream), stdin=self.curl.stdout)
        self.curl.stdout.close()

    def result(self, timeout=120):
        value = super().result(timeout)
        value["curl_exit_code"] = self.curl.wait(timeout)
        return value

    def close(self):
        if self.curl.poll() is None:
            self.curl.kill()
        self.curl.wait()
        super().close()


def verify(path, records=None, block=BLOCK, stream=1, holes=(0, 0)):
    """Checks every byte of a finished file; returns {"records", "partial", "bad", "holes", "first_bad_offset", "error"}. `holes`:
    (first, behind the last) record that may have zeros instead of what was written; those that have are counted apart."""
    options = dict(block=block, stream=stream, records=records, holes_from=holes[0], holes_to=holes[1])
    line = [env.helper("vcfs-test-io"), "verify", str(path), *_arguments(options)]
    return json.loads(subprocess.run(line, capture_output=True, text=True, check=False, timeout=120).stdout)
