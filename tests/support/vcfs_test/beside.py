"""Something that is done again and again beside a test, in a thread of its own."""
import threading


class Beside:
    """Calls self.turn() until stop(), or until it says False. A subclass sets what turn() needs before it calls this __init__."""

    def __init__(self):
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self):
        self._ends.set()
        self._thread.join(60)

    def _run(self):
        while not self._ends.is_set() and self.turn() is not False:
            pass
