"""A process that is killed in the middle of a call: when it is seen to be dead, the call is over."""
import contextlib
import os
import signal
import time
import unittest

from vcfs_test.shared import StoreCase


class Killed(StoreCase):
    def kill_at_work(self, work):
        """Forks, lets the child repeat `work`, kills it after a while and waits for it."""
        child = os.fork()
        if child == 0:
            try:
                while True:
                    work()
            finally:
                os._exit(1)
        time.sleep(0.02)
        os.kill(child, signal.SIGKILL)
        self.assertEqual(os.WTERMSIG(os.waitpid(child, 0)[1]), signal.SIGKILL)

    def test_nothing_is_made_or_taken_away_after_its_death(self):
        def work():
            with open(self.path("a"), "w") as f:
                f.write("x")
            os.rename(self.path("a"), self.path("b"))
            os.unlink(self.path("b"))

        late = 0
        for _ in range(40):
            self.kill_at_work(work)
            at_once = os.listdir(self.dir)
            time.sleep(0.02)
            late += os.listdir(self.dir) != at_once
            time.sleep(0.3 if late else 0)
            for name in os.listdir(self.dir):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.path(name))
        self.assertLessEqual(late, 2, "calls that take longer than 100 ms, on a machine that is busy otherwise, may be late")


if __name__ == "__main__":
    unittest.main()
