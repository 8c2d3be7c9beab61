"""How the process ends: a signal begins the drain, and the same one again hastens the end."""

import asyncio
import signal
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from service.background import wait_for

Result = TypeVar("Result")

FROM_SUPERVISOR = signal.SIGUSR1
"""How a supervisor asks a worker to end."""


@dataclass(slots=True)
class Ending:
    """Set by signals. `begun`: fail readiness and drain. `hastened`: do not wait for requests."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    undrained: asyncio.Event = field(default_factory=asyncio.Event)
    hastened: asyncio.Event = field(default_factory=asyncio.Event)
    received: set[int] = field(default_factory=set)

    def on_signals(self) -> None:
        """Follow SIGTERM, SIGINT and FROM_SUPERVISOR. No load balancer stands between a terminal and
        this process, so SIGINT (Ctrl-C) skips the drain."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, FROM_SUPERVISOR):
            loop.add_signal_handler(number, self.follow, number)

    def follow(self, number: signal.Signals) -> None:
        """One signal. Only a repeated one hastens: Ctrl-C and a service manager's SIGTERM reach workers
        too, and then their supervisor asks them to end with a signal of its own."""
        if number in self.received:
            self.hastened.set()
        if number in self.received or number == signal.SIGINT:
            self.undrained.set()
        self.received.add(number)
        self.begun.set()

    def stop(self) -> None:
        """End without a drain: the process must not go on."""
        self.undrained.set()
        self.begun.set()

    async def unless_begun(self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """Do what precedes serving; None if a signal comes first, which cancels it."""
        task = asyncio.create_task(work)
        begun = asyncio.create_task(self.begun.wait())
        await asyncio.wait({task, begun}, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return None
        return await task

    async def drain(self, seconds: float) -> None:
        """Go on serving for so many seconds, so that load balancers notice the failed readiness."""
        await wait_for(self.undrained, seconds)
