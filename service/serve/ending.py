"""How the process ends: a signal begins the drain, and the same one again hastens the end."""

import asyncio
import signal
from dataclasses import dataclass, field

from service.background import wait_for


@dataclass(slots=True)
class Ending:
    """Set by signals. `begun`: fail readiness and drain. `hastened`: do not wait for requests."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    undrained: asyncio.Event = field(default_factory=asyncio.Event)
    hastened: asyncio.Event = field(default_factory=asyncio.Event)
    received: set[int] = field(default_factory=set)

    def on_signals(self) -> None:
        """Follow SIGTERM and SIGINT. No load balancer stands between a terminal and this process, so
        SIGINT (Ctrl-C) skips the drain."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.follow, number)

    def follow(self, number: signal.Signals) -> None:
        """One signal. Only a repeated one hastens: in a terminal, Ctrl-C reaches workers too, and then
        their supervisor ends them with SIGTERM."""
        if number in self.received:
            self.hastened.set()
        if self.begun.is_set() or number == signal.SIGINT:
            self.undrained.set()
        self.received.add(number)
        self.begun.set()

    def stop(self) -> None:
        """End without a drain: the process must not go on."""
        self.undrained.set()
        self.begun.set()

    async def drain(self, seconds: float) -> None:
        """Go on serving for so many seconds, so that load balancers notice the failed readiness."""
        await wait_for(self.undrained, seconds)
