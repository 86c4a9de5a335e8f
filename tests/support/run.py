#!/usr/bin/python3
"""Runs one file of black-box tests: run.py FILE [unittest arguments, e.g. -k name].

Each test has a time limit (its class's `time_limit`, default 120 s), so that a hang is a failure with a stack and still cleans
up. Exit codes: 0 passed, 1 failed, 77 everything skipped.
"""
import faulthandler
import importlib.util
import os
import signal
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from vcfs_test import env, shared  # noqa: E402


class TimedResult(unittest.TextTestResult):
    def startTest(self, test):
        super().startTest(test)
        limit = getattr(test, "time_limit", 120) * env.SLOWDOWN
        signal.signal(signal.SIGALRM, lambda *_: self._expired(test, limit))
        signal.alarm(int(limit))

    def stopTest(self, test):
        signal.alarm(0)
        super().stopTest(test)

    @staticmethod
    def _expired(test, limit):
        faulthandler.dump_traceback(file=sys.stderr)
        raise AssertionError(f"{test.id()} did not end within {limit:g} s")


def load(file):
    name = os.path.splitext(os.path.basename(file))[0]
    sys.path.insert(1, os.path.dirname(os.path.abspath(file)))
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    module = load(sys.argv[1])
    runner = unittest.TextTestRunner(resultclass=TimedResult, verbosity=2, stream=sys.stdout)
    program = None
    try:
        program = unittest.main(module=module, argv=[sys.argv[1], *sys.argv[2:]], testRunner=runner, exit=False)
    finally:
        failed = program is None or not program.result.wasSuccessful()
        shared.close(keep_logs_as=module.__name__ if failed else None)
    if failed:
        return 1
    result = program.result
    return 77 if result.testsRun and len(result.skipped) == result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
