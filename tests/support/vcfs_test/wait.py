"""Waiting for a state, with a deadline; nothing here sleeps for a fixed time and hopes."""
import time


class Deadline(AssertionError):
    pass


def wait_for(predicate, deadline=10.0, what="the condition", interval=0.02):
    """The first true value of predicate(). Its exceptions count as "not yet". Raises Deadline after `deadline` seconds."""
    end = time.monotonic() + deadline
    last = None
    while True:
        try:
            value = predicate()
            if value:
                return value
            last = value
        except Exception as e:  # noqa: BLE001 - told in the message when time is up
            last = e
        if time.monotonic() > end:
            raise Deadline(f"waited {deadline:g} s for {what}; last seen: {last!r}")
        time.sleep(interval)
        interval = min(interval * 1.5, 0.25)
