"""How the hang-up worker hears of new jobs: a moment after they are announced."""

import asyncio
from typing import Any

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.ports.driver import NotifyCallback

HEAR_SECONDS = 0.02
"""How much later the worker hears of new jobs."""


class LateDriver(AsyncpgDriver):
    """Hears of changes of the queue a moment later. The record of a blocked call announces a job that
    is not due yet: looking for it at once would delay the first command, which goes out just then."""

    def __init__(self, connection: Any, seconds: float = HEAR_SECONDS) -> None:
        super().__init__(connection)
        self.seconds = seconds

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        """Have each notification passed on after so many seconds."""
        loop = asyncio.get_running_loop()

        def hear(payload: str | bytes | bytearray) -> None:
            loop.call_later(self.seconds, callback, payload)

        await super().add_listener(channel, hear)
