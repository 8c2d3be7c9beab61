"""Waiting for the world to get where it should be, with an end to it."""

import time
from collections.abc import Callable


def wait_until(holds: Callable[[], object], seconds: float = 5.0) -> None:
    """Return as soon as `holds()` is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"Still not so after {seconds} s.")
        time.sleep(0.01)
