"""Watches the event loop from a thread: what blocks it delays every call, and cannot report itself.
So do threads that compute without end.

The loop beats; when a beat is late, the thread reads the loop's stack and names the policy, or else the
module, that runs there. It tells the log at once. When the loop is back, a policy that blocked it is
suspended.
"""

import asyncio
import functools
import inspect
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import CodeType, FrameType
from typing import Any

import structlog

from policies.host.running import BLOCKED_SECONDS
from service.access.policies.evaluation import Evaluator
from service.access.policies.watching.busy_threads import EVERY_SECONDS, BusyThreads
from service.background import BackgroundLoop

BEAT_SECONDS = 0.05
RECENT = timedelta(minutes=10)
MOST_REMEMBERED = 20
MOST_WRAPPED = 20
"""How many wrappers are taken off a policy's function."""
OURS = ("service", "policies")

log = structlog.get_logger()


@dataclass(slots=True)
class Blockage:
    """A time during which the event loop stood still. `policy` is None if none was on its stack."""

    at: datetime
    where: str
    policy: str | None
    seconds: float = 0.0


class LoopWatchdog:
    """Finds what blocks the event loop; `count` and `seconds` are totals since the start."""

    def __init__(self, evaluators: Sequence[Evaluator]) -> None:
        self.codes: dict[CodeType, Evaluator] = {}
        self.packages: dict[str, list[Evaluator]] = {}
        for evaluator in evaluators:
            if not evaluator.trusted:
                self.know(evaluator)
        self.count = 0
        self.seconds = 0.0
        self.recent: deque[Blockage] = deque(maxlen=MOST_REMEMBERED)
        self.beat = time.monotonic()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.watched = 0
        self.threads = BusyThreads(self.policies_of)
        self.listen()
        self.computing: deque[Blockage] = deque(maxlen=MOST_REMEMBERED)
        """When threads of policies computed without end."""
        self.piles: dict[str, int] = {}
        """The policies whose threads pile up, and how many they have now."""

    def know(self, evaluator: Evaluator) -> None:
        """Remember the code and the package of a policy, to find both on a stack."""
        evaluate = find_function(evaluator.policy.evaluate)
        code = getattr(evaluate, "__code__", None)
        if isinstance(code, CodeType):
            self.codes[code] = evaluator
        package = str(getattr(evaluate, "__module__", "") or "").partition(".")[0]
        if package and package not in OURS and package not in sys.stdlib_module_names:
            self.packages.setdefault(package, []).append(evaluator)

    def listen(self) -> None:
        """Have the starts of threads noted: from before policies are started, and not for our own."""
        if self.codes or self.packages:
            self.threads.starts.listen()

    def background(self) -> BackgroundLoop:
        """Beats on the event loop; the thread runs as long."""
        return BackgroundLoop("loop_watchdog", self.session)

    async def session(self) -> None:
        """Beat until cancelled."""
        self.listen()
        self.loop = asyncio.get_running_loop()
        self.watched = threading.get_ident()
        self.beat = time.monotonic()
        stopped = threading.Event()
        threading.Thread(target=self.watch, args=(stopped,), name="watchdog", daemon=True).start()
        try:
            while True:
                self.beat = time.monotonic()
                await asyncio.sleep(BEAT_SECONDS)
        finally:
            stopped.set()
            self.threads.starts.stop()

    def watch(self, stopped: threading.Event) -> None:
        """Compare the beat with the clock, in the thread."""
        looked = time.monotonic()
        found: Blockage | None = None
        culprits: list[Evaluator] = []
        began, looked_at_threads = 0.0, looked
        while not stopped.wait(BEAT_SECONDS):
            now, beat = time.monotonic(), self.beat
            # If this thread was late as well, the machine is busy, and no code blocks the loop.
            awake, looked = now - looked < BLOCKED_SECONDS, now
            if now - looked_at_threads >= EVERY_SECONDS:
                self.look_at_threads(now - looked_at_threads)
                looked_at_threads = now
            if found is not None and beat > began:
                self.tell(found, culprits, beat - began)
                found = None
            elif found is None and awake and now - beat > BLOCKED_SECONDS:
                began = beat
                found, culprits = self.look()
                log.error("event_loop.blocked", policy=found.policy, where=found.where)

    def look_at_threads(self, seconds: float) -> None:
        """Interrupt threads of policies that compute without end, and tell the log at once."""
        spared = {self.watched, threading.get_ident()}
        for busy in self.threads.look(seconds, spared):
            name = name_of(busy.evaluators)
            log.error("policy.computing", policy=name, threads=len(busy.threads))
            self.threads.interrupt(busy)
            if self.loop is not None and not self.loop.is_closed():
                self.loop.call_soon_threadsafe(self.note_computing, name, busy.evaluators)

        self.look_for_piles()

    def look_for_piles(self) -> None:
        """Tell the log of policies whose threads pile up, and have them suspended, once each."""
        found = {name_of(one.evaluators) or "": one for one in self.threads.find_piles()}
        for name in found.keys() - self.piles.keys():
            log.error("policy.piles_up_threads", policy=name, threads=len(found[name].threads))
            if self.loop is not None and not self.loop.is_closed():
                self.loop.call_soon_threadsafe(suspend_for_threads, found[name].evaluators)
        self.piles = {name: len(one.threads) for name, one in found.items()}

    def note_computing(self, name: str | None, evaluators: Sequence[Evaluator]) -> None:
        """Remember it, and suspend the policies."""
        self.computing.append(Blockage(datetime.now(UTC), "", name))
        for evaluator in evaluators:
            evaluator.suspend_for_blocking("computes_without_end")

    def look(self) -> tuple[Blockage, list[Evaluator]]:
        """What the loop's thread runs now, from its innermost frame outwards."""
        frame = sys._current_frames().get(self.watched)  # noqa: SLF001 - the only way to another stack
        where = describe(frame)
        evaluators: list[Evaluator] = []
        while frame is not None and not evaluators:
            evaluators = self.policies_of(frame)
            frame = frame.f_back
        return Blockage(datetime.now(UTC), where, name_of(evaluators)), evaluators

    def policies_of(self, frame: FrameType) -> list[Evaluator]:
        """The policy whose `evaluate` a frame runs, or all policies of the frame's package."""
        one = self.codes.get(frame.f_code)
        if one is not None:
            return [one]
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        return list(self.packages.get(package, ()))

    def tell(self, found: Blockage, evaluators: Sequence[Evaluator], seconds: float) -> None:
        """Hand a finished blockage to the event loop."""
        found.seconds = seconds
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.note, found, evaluators)

    def note(self, found: Blockage, evaluators: Sequence[Evaluator]) -> None:
        """Count a blockage, and suspend the policies that caused it."""
        self.count += 1
        self.seconds += found.seconds
        self.recent.append(found)
        log.error(
            "event_loop.released",
            policy=found.policy,
            where=found.where,
            seconds=round(found.seconds, 3),
        )
        for evaluator in evaluators:
            evaluator.suspend_for_blocking()

    def latest(self) -> Blockage | None:
        """The latest blockage of the last minutes."""
        return latest_of(self.recent)

    def latest_computing(self) -> Blockage | None:
        """When threads of policies last computed without end in the last minutes."""
        return latest_of(self.computing)


def find_function(given: Any) -> Any:
    """The function that a call of a policy runs, below what wraps it: decorators, methods, partials, and
    objects that can be called."""
    for _ in range(MOST_WRAPPED):
        inner = inspect.unwrap(getattr(given, "__func__", given))
        if isinstance(inner, functools.partial):
            inner = inner.func
        elif callable(inner) and not hasattr(inner, "__code__") and not isinstance(inner, type):
            inner = type(inner).__call__
        if inner is given:
            return given
        given = inner
    return given


def suspend_for_threads(evaluators: Sequence[Evaluator]) -> None:
    for evaluator in evaluators:
        evaluator.suspend_for_blocking("piles_up_threads")


def latest_of(remembered: deque[Blockage]) -> Blockage | None:
    if not remembered or remembered[-1].at < datetime.now(UTC) - RECENT:
        return None
    return remembered[-1]


def name_of(evaluators: Sequence[Evaluator]) -> str | None:
    """The names of policies; None without one."""
    return ", ".join(one.policy.name for one in evaluators) or None


def describe(frame: FrameType | None) -> str:
    """Where a frame is, as module and line: no path of the machine, no value."""
    if frame is None:
        return "unknown"
    module = str(frame.f_globals.get("__name__", "unknown"))
    return f"{module}:{frame.f_code.co_name}:{frame.f_lineno}"
