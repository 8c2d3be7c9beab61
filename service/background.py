"""Background loops: named tasks that restart after they die and whose state can be read.

A part that works in the background describes its work as a `BackgroundLoop`; `Background` runs all
loops of a replica. This module knows nothing of what a loop does.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog

FIRST_PAUSE_SECONDS = 0.5
"""Pause before the first restart, and before every restart after an outage."""
LONGEST_PAUSE_SECONDS = 15.0
STOP_SECONDS = 3.0
"""How long a loop that finishes its work may take before it is cancelled."""

Turn = Callable[[], Awaitable[float | None]]
"""One turn of a loop. Returns the seconds until the next turn; None for the loop's interval."""
LoopStatus = Literal["running", "restarting", "stopped"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LoopState:
    """The state of a loop. `last_error` is the class of its last error: a message may hold a
    secret. `since` is when the status began, in UTC."""

    name: str
    status: LoopStatus
    restarts: int
    last_error: str
    since: datetime


class BackgroundLoop:
    """Repeats `turn`, every `interval` seconds or when `wake` is set, until it is stopped.

    An error ends a turn, never the loop: after a pause the loop restarts. The pause after an error
    of `outages` is constant, so that work goes on as soon as PostgreSQL is back; after any other
    error it doubles from turn to turn. A turn that works on one connection for as long as possible
    (a session) counts as healthy after `healthy_after` seconds, other turns when they return.

    `finish` asks a turn to complete its work; a loop without it is cancelled when it stops.
    """

    def __init__(
        self,
        name: str,
        turn: Turn,
        *,
        interval: float = 0.0,
        wake: asyncio.Event | None = None,
        outages: tuple[type[Exception], ...] = (),
        healthy_after: float = math.inf,
        finish: Callable[[], None] | None = None,
        first_pause: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        self.name = name
        self.turn = turn
        self.interval = interval
        self.wake = wake or asyncio.Event()
        self.outages = outages
        self.healthy_after = healthy_after
        self.finish = finish
        self.first_pause = first_pause
        self.stopping = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.began = math.inf
        self.failures = 0
        self.restarts = 0
        self.last_error = ""
        self.status: LoopStatus = "stopped"
        self.since = datetime.now(UTC)

    @property
    def state(self) -> LoopState:
        """The state now."""
        self.note_health()
        return LoopState(self.name, self.status, self.restarts, self.last_error, self.since)

    def start(self) -> None:
        """Run in a task of its own; a loop that was started before is left alone."""
        if self.task is None:
            self.task = asyncio.create_task(self.run(), name=self.name)

    async def run(self) -> None:
        """Run until stopped or cancelled; no error of a turn gets out."""
        self.set_status("running")
        try:
            while not self.stopping.is_set():
                await self.run_once()
        finally:
            self.set_status("stopped")

    async def run_once(self) -> None:
        """One turn and the rest that follows it."""
        self.wake.clear()
        self.began = time.monotonic()
        try:
            seconds = await self.turn()
        except asyncio.CancelledError as exc:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Something that the turn waited for was cancelled, not the loop.
            await self.pause(self.note_failure(exc))
        except Exception as exc:
            await self.pause(self.note_failure(exc))
        else:
            self.note_success()
            await wait_for(self.wake, self.interval if seconds is None else seconds)

    async def pause(self, seconds: float) -> None:
        """Wait before a restart. Only a stop ends the pause early; a wake-up does not."""
        self.began = math.inf
        await wait_for(self.stopping, seconds)
        if not self.stopping.is_set():
            self.restarts += 1

    def note_failure(self, exc: BaseException) -> float:
        """Record that a turn died; the seconds to pause."""
        self.note_health()
        self.failures += 1
        self.last_error = type(exc).__name__
        outage = isinstance(exc, self.outages)
        if not outage:
            log.error("background.died", loop=self.name, error=self.last_error, exc_info=exc)
        elif self.failures == 1:
            log.warning("background.lost", loop=self.name, error=self.last_error)
        self.set_status("restarting")
        if outage:
            return self.first_pause
        return min(self.first_pause * 2.0 ** min(self.failures - 1, 20), LONGEST_PAUSE_SECONDS)

    def note_health(self) -> None:
        """Count a session that has worked for long enough as healthy."""
        if time.monotonic() - self.began >= self.healthy_after:
            self.note_success()

    def note_success(self) -> None:
        """Record that the loop works."""
        if self.failures:
            log.info("background.recovered", loop=self.name, failures=self.failures)
            self.failures = 0
            self.set_status("running")

    def set_status(self, status: LoopStatus) -> None:
        """Change the status; `since` is when it changed."""
        if status != self.status:
            self.status, self.since = status, datetime.now(UTC)

    async def stop(self, patience: float = STOP_SECONDS) -> None:
        """Let the running turn finish within `patience` seconds if it can; else cancel it."""
        self.stopping.set()
        self.wake.set()
        if self.task is None:
            return
        if self.finish is not None:
            self.finish()
            await asyncio.wait({self.task}, timeout=None if math.isinf(patience) else patience)
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class Background:
    """All background loops of a replica."""

    def __init__(self) -> None:
        self.loops: dict[str, BackgroundLoop] = {}

    def add(self, loops: Iterable[BackgroundLoop]) -> None:
        """Add loops; each name may exist once."""
        for loop in loops:
            if loop.name in self.loops:
                raise ValueError(f"There are two background loops with the name {loop.name!r}.")
            self.loops[loop.name] = loop

    def start(self) -> None:
        """Start every loop that has not been started."""
        for loop in self.loops.values():
            loop.start()

    async def stop(self, *names: str, patience: float = STOP_SECONDS) -> None:
        """Stop the loops with these names; without names, all."""
        loops = [self.loops[name] for name in names or self.loops]
        await asyncio.gather(*(loop.stop(patience) for loop in loops))

    def wake(self, name: str) -> None:
        """Let a resting loop take its next turn now."""
        self.loops[name].wake.set()

    def states(self) -> list[LoopState]:
        """The state of every loop."""
        return [loop.state for loop in self.loops.values()]


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Wait until `event` is set, at most `seconds` (infinite: without a limit)."""
    with suppress(TimeoutError):
        async with asyncio.timeout(None if math.isinf(seconds) else max(seconds, 0.0)):
            await event.wait()
