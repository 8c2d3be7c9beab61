"""Remembers which policies started a thread: one that waits in the standard library shows none on its
stack, and so do the workers of a pool.

Python does not tell who started a thread. So `Thread.start` is wrapped, once in a process: it does what
it did, and the stack of the one that calls it is looked at before.
"""

import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType
from weakref import WeakKeyDictionary, WeakSet

from service.access.policies.evaluation import Evaluator

Culprits = Callable[[FrameType | None], Sequence[Evaluator]]


class ThreadStarts:
    """The policies on whose stack threads were started, which `find` gives, while this listens."""

    def __init__(self, find: Culprits) -> None:
        self.find = find
        self.starters: WeakKeyDictionary[threading.Thread, Sequence[Evaluator]]
        self.starters = WeakKeyDictionary()

    def listen(self) -> None:
        """Have threads noted from now on."""
        LISTENING.add(self)
        threading.Thread.start = start  # type: ignore[method-assign, assignment]

    def stop(self) -> None:
        """Have none noted any more: each start of a thread would look through its stack for this."""
        LISTENING.discard(self)

    def note(self, thread: threading.Thread, frame: FrameType | None) -> None:
        """A thread is being started."""
        if evaluators := self.find(frame):
            self.starters[thread] = evaluators

    def of(self, thread: threading.Thread) -> Sequence[Evaluator]:
        """The policies that started a thread."""
        return self.starters.get(thread, ())


LISTENING: WeakSet[ThreadStarts] = WeakSet()
START = threading.Thread.start


def start(thread: threading.Thread) -> None:
    """Start a thread. What goes wrong in looking who starts it does not stop it."""
    with suppress(Exception):
        for one in list(LISTENING):
            one.note(thread, sys._getframe(1))  # noqa: SLF001 - who starts it is on the stack
    START(thread)
