"""Use case: search the unregistered numbers at Vapi. The list is cached for seconds, so that typing in
a search field does not use the requests that hang-ups need."""

import asyncio
import time
from dataclasses import dataclass, field

from service.admin.imports.imports import Imports
from service.admin.imports.vapi_numbers import VapiNumber
from service.domain.texts import fold_start

KEPT_SECONDS = 20.0
READ_SECONDS = 8.0


@dataclass(slots=True)
class Unregistered:
    """The cached list; one read at a time, and concurrent searches share it."""

    imports: Imports
    found: list[VapiNumber] = field(default_factory=list)
    read_at: float = float("-inf")
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def search(self, query: str, limit: int) -> tuple[list[VapiNumber], int]:
        """The first numbers with `query` in their name, number or id, and how many match.

        Raises `VapiAwayError`, or `TimeoutError` while Vapi does not answer.
        """
        async with self.turn:
            if time.monotonic() - self.read_at > KEPT_SECONDS:
                async with asyncio.timeout(READ_SECONDS):
                    self.found = [
                        number async for page in self.imports.unregistered() for number in page
                    ]
                self.read_at = time.monotonic()
        word = fold_start(query)
        fitting = [
            number
            for number in self.found
            if any(
                word in fold_start(text or "") for text in (number.name, number.number, number.id)
            )
        ]
        return fitting[:limit], len(fitting)

    def forget(self) -> None:
        """Drop the cached list after a number was added or removed."""
        self.read_at = float("-inf")
