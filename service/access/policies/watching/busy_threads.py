"""Finds threads of policies that compute without end, and interrupts them; and those that pile up.

Python runs one thread at a time: each that computes makes the event loop wait for its turn, again and
again, though none blocks it. A thread that stands still costs nothing and is left alone. Linux only:
elsewhere no thread's time can be read.
"""

import ctypes
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from service.access.policies.evaluation import Evaluator
from service.access.policies.watching.thread_starts import ThreadStarts

EVERY_SECONDS = 1.0
BUSY_SHARE = 0.4
"""The part of a processor that the threads of one policy may use, by and large."""
STRIKES = 2
"""How many times in a row they must have used more."""
MOST_THREADS = 500
"""How many threads are looked at."""
MOST_OWN_THREADS = 100
"""How many threads the policies of a package may have, beside those that the host runs them in."""
HOST_THREADS = "policy-"
"""How the names of the threads begin in which the host runs policies: it limits these itself."""
TICKS_PER_SECOND = 100
"""The unit of the system's figures, on every Linux."""
SHORTEST_TURN_SECONDS = 0.0005
"""A turn of the threads of Python, once one of them cannot be trusted; it is 5 ms else."""

Culprits = Callable[[FrameType], Sequence[Evaluator]]


class BusyPolicy(NamedTuple):
    """Policies of one package whose threads compute; `threads` are the idents of these."""

    evaluators: tuple[Evaluator, ...]
    threads: list[int]


class BusyThreads:
    """Looks at the time that threads use. `find` gives the policies that a frame runs."""

    def __init__(self, find: Culprits) -> None:
        self.find = find
        self.starts = ThreadStarts(self.culprits_on)
        self.used: dict[int, int] = {}
        self.strikes: dict[tuple[str, ...], int] = {}

    def look(self, seconds: float, spared: Collection[int]) -> list[BusyPolicy]:
        """The policies that computed for too long; `seconds` since the last look. Threads with the
        idents `spared` are the host's."""
        times: dict[tuple[str, ...], float] = {}
        busy: dict[tuple[str, ...], BusyPolicy] = {}
        for ident, used in self.list_used(spared):
            evaluators = self.culprits_of(ident)
            if evaluators:
                key = tuple(one.policy.name for one in evaluators)
                times[key] = times.get(key, 0.0) + used
                busy.setdefault(key, BusyPolicy(tuple(evaluators), [])).threads.append(ident)
        over = {key for key, time in times.items() if time > BUSY_SHARE * seconds}
        self.strikes = {key: self.strikes.get(key, 0) + 1 for key in over}
        return [busy[key] for key, count in self.strikes.items() if count >= STRIKES]

    def list_used(self, spared: Collection[int]) -> Iterator[tuple[int, float]]:
        """The idents of threads that computed since the last look, and for how many seconds."""
        before, self.used = self.used, {}
        for thread in threading.enumerate()[-MOST_THREADS:]:
            if thread.ident is None or thread.native_id is None or thread.ident in spared:
                continue
            ticks = read_ticks(thread.native_id)
            self.used[thread.native_id] = ticks
            used = ticks - before.get(thread.native_id, 0)
            if used > 0:
                yield thread.ident, used / TICKS_PER_SECOND

    def find_piles(self) -> list[BusyPolicy]:
        """The policies with more threads than any needs: each that waits keeps memory, and in the end
        no further one starts."""
        threads = [one for one in threading.enumerate() if not one.name.startswith(HOST_THREADS)]
        if len(threads) <= MOST_OWN_THREADS:
            return []
        frames = sys._current_frames()  # noqa: SLF001 - the only way to another stack
        piles: dict[tuple[str, ...], BusyPolicy] = {}
        for thread in threads[-2 * MOST_THREADS :]:
            ident = thread.ident or 0
            evaluators = self.culprits_on(frames.get(ident)) or self.starts.of(thread)
            if evaluators:
                key = tuple(one.policy.name for one in evaluators)
                piles.setdefault(key, BusyPolicy(tuple(evaluators), [])).threads.append(ident)
        return [pile for pile in piles.values() if len(pile.threads) > MOST_OWN_THREADS]

    def culprits_of(self, ident: int) -> Sequence[Evaluator]:
        """The policies on the stack of a thread."""
        return self.culprits_on(sys._current_frames().get(ident))  # noqa: SLF001

    def culprits_on(self, frame: FrameType | None) -> Sequence[Evaluator]:
        """The policies on a stack."""
        while frame is not None:
            if found := self.find(frame):
                return found
            frame = frame.f_back
        return ()

    def interrupt(self, busy: BusyPolicy) -> None:
        """Raise `SystemExit` in the threads, and shorten the turns of all: one may go on regardless."""
        sys.setswitchinterval(SHORTEST_TURN_SECONDS)
        for ident in busy.threads:
            if self.culprits_of(ident):
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(ident), ctypes.py_object(SystemExit)
                )


def read_ticks(native_id: int) -> int:
    """The processor's time that a thread has used; 0 where it cannot be read, as of one that ended."""
    try:
        stat = Path(f"/proc/self/task/{native_id}/stat").read_text()
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
