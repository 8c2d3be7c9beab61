"""An event loop in virtual time: waiting costs nothing, and a process can die between two steps.

`time.monotonic` and `time.time` follow the loop while it runs, `os.urandom` and `random` the seed, so
that one seed gives one history. Work for threads runs at once: a thread would bring back chance.
"""

import asyncio
import heapq
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import Any

EPOCH = 1_790_000_000.0
"""What `time.time` shows when a seed begins."""


class Life:
    """One process, from its start to its death. Nothing that it began goes on after it.

    While it is `frozen` it stands still: what is due for it waits in `held`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.frozen = False
        self.held: list[asyncio.Handle] = []


LIFE: ContextVar[Life | None] = ContextVar("life", default=None)


class StuckError(Exception):
    """Every task waits, and no timer is set: the simulated world has stopped."""


class NoEvents:
    """A selector without sockets."""

    def select(self, _timeout: float | None = None) -> list[Any]:
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs what is ready, then jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.virtual = 1000.0
        self.timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self.timer_count = 0
        self._selector = NoEvents()
        self.faults: list[str] = []
        self.graveyard: list[asyncio.Handle] = []
        self.set_exception_handler(self.note_fault)

    def time(self) -> float:
        return self.virtual

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As the base class, on a heap whose entries compare quickly."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self.timer_count += 1
        heapq.heappush(self.timers, (when, self.timer_count, timer))
        return timer

    def _timer_handle_cancelled(self, _handle: asyncio.TimerHandle) -> None:
        """A cancelled timer is dropped when it is due."""

    def _process_events(self, _events: list[Any]) -> None:
        """Nothing comes from outside."""

    def _write_to_self(self) -> None:
        """No thread wakes this loop."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """Run the work of a thread at once."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as exc:
            done.set_exception(exc)
        return done

    def note_fault(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep what a callback or a forgotten task raised; tasks of the dead never end."""
        message = str(context.get("message"))
        if "was destroyed" in message or isinstance(context.get("exception"), ConnectionError):
            return
        self.faults.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _run_once(self) -> None:
        """One turn: the timers that are due, then what is ready. The dead get no turn."""
        ready, timers = self._ready, self.timers  # type: ignore[attr-defined]
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not ready:
            if not timers:
                raise StuckError
            self.virtual = max(self.virtual, timers[0][0])
        while timers and timers[0][0] <= self.virtual:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            life = handle._context.get(LIFE)
            if life is None or not (life.dead or life.frozen):
                handle._run()
            elif life.dead:
                self.graveyard.append(handle)
            else:
                life.held.append(handle)

    def thaw(self, life: Life) -> None:
        """Let a process that stood still go on, with everything that became due meanwhile."""
        life.frozen = False
        self._ready.extend(life.held)  # type: ignore[attr-defined]
        life.held = []

    def close_tasks(self, lives: Iterable[Life]) -> None:
        """End every task after a seed, those of the dead too, so that none is left to the collector."""
        for life in lives:
            self.thaw(life)
            life.dead = False
        self._ready.extend(self.graveyard)  # type: ignore[attr-defined]
        self.graveyard.clear()
        self.set_exception_handler(lambda _loop, _context: None)
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        if tasks:
            self.run_until_complete(asyncio.wait(tasks, timeout=60))


@contextmanager
def virtual_world(loop: VirtualLoop, chance: random.Random) -> Iterator[None]:
    """Let the clocks and the randomness of this process be the simulation's."""
    real = time.monotonic, time.time, os.urandom
    time.monotonic = loop.time
    time.time = lambda: EPOCH + loop.virtual
    os.urandom = chance.randbytes
    drawn = random.getstate()
    random.seed(chance.getrandbits(64))
    try:
        yield
    finally:
        random.setstate(drawn)
        time.monotonic, time.time, os.urandom = real
