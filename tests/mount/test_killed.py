"""A process that is killed in the middle of a call: when it is seen to be dead, the call is over."""
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

        for _ in range(60):
            self.kill_at_work(work)
            at_once = os.listdir(self.dir)
            for name in at_once:
                os.unlink(self.path(name))
            time.sleep(0.02)
            self.assertEqual(os.listdir(self.dir), [])


if __name__ == "__main__":
    unittest.main()
