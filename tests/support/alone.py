"""Tests marked `alone` run while no other worker runs a test: they compare times on one machine."""

import fcntl
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DOOR, ROOM = Path(__file__), Path(__file__).parent
"""What workers lock. Nothing is written, so nothing has to be removed after a crash."""


@contextmanager
def locked(path: Path, kind: int) -> Iterator[None]:
    """Hold a lock that all workers on this working tree share."""
    place = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(place, kind)
        yield
    finally:
        os.close(place)


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Wait for the turn of a test.

    A test that waits to be alone holds the door meanwhile, or other tests would keep entering before it.
    """
    room = locked(ROOM, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
    with locked(DOOR, fcntl.LOCK_EX):
        room.__enter__()
    try:
        yield
    finally:
        room.__exit__(None, None, None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Take turns outside of the test's own timeout. A run in one process has no others."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    with turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)
