"""A player over HTTP beside a test: one file is downloaded again and again, every download is compared and timed."""
import subprocess
import time

from vcfs_test.beside import Beside


class Player(Beside):
    """Downloads `data` again and again as through a load balancer: a server that sends nothing is left for the next one. What
    has begun must end well."""

    def __init__(self, prefix, urls, data):
        self.errors = []
        self.longest_ms = 0
        self._prefix, self._urls, self._data = prefix, urls, data
        self._done = 0
        super().__init__()

    def stop(self):
        """How many downloads there were."""
        self.join()
        return self._done

    def turn(self):
        first = self._done % len(self._urls)
        begin = time.monotonic()
        problem = self._play(self._urls[first:] + self._urls[:first])
        self.longest_ms = max(self.longest_ms, (time.monotonic() - begin) * 1000)
        if problem:
            self.errors.append(problem)
        self._done += 1
        self._ends.wait(0.2)
        return len(self.errors) < 10

    def _play(self, urls):
        problems = []
        for url in urls:
            line = [*self._prefix, "curl", "-sSf", "--max-time", "30", url]
            result = subprocess.run(line, capture_output=True, check=False)
            if result.stdout == self._data and result.returncode == 0:
                return None
            problems.append(f"{url}: {len(result.stdout)} bytes, {result.stderr.decode(errors='replace').strip()}")
            if result.stdout:
                break
        return "; ".join(problems)
