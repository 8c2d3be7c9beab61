"""An answer that is kept for a moment: many who ask at once cost as much as one."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

KEPT_SECONDS = 1.0

Value = TypeVar("Value")


@dataclass(slots=True)
class Kept(Generic[Value]):
    """Asks `read` at most once a second, and never twice at the same time."""

    read: Callable[[], Awaitable[Value]]
    seconds: float = KEPT_SECONDS
    reading: asyncio.Task[Value] | None = None
    read_at: float = float("-inf")

    async def get(self) -> Value:
        """The value, at most `seconds` old when its reading began. Raises what `read` raises."""
        now = time.monotonic()
        done = self.reading is not None and self.reading.done()
        if self.reading is None or (done and now - self.read_at >= self.seconds):
            self.read_at = now
            self.reading = asyncio.create_task(self.run())
        return await asyncio.shield(self.reading)

    async def run(self) -> Value:
        return await self.read()
