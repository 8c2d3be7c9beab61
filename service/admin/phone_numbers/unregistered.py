"""Use case: search the unregistered numbers at Vapi. The list is cached for seconds, so that typing in
a search field does not use the requests that hang-ups need."""

import asyncio
import time
from dataclasses import dataclass, field

from service.admin.imports.imports import Imports
from service.admin.imports.known_numbers import VapiNumber
from service.domain.texts import fold_start

KEPT_SECONDS = 20.0
READ_SECONDS = 8.0
AT_ONCE = 5000
"""Numbers that are compared before the event loop goes on with other work."""


@dataclass(slots=True)
class Unregistered:
    """The cached list, each number with its folded texts; concurrent searches share one reading."""

    imports: Imports
    found: list[tuple[str, VapiNumber]] = field(default_factory=list)
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
                        (searchable(number), number)
                        async for page in self.imports.unregistered()
                        for number in page
                    ]
                self.read_at = time.monotonic()
        word, fitting, found = fold_start(query), list[VapiNumber](), self.found
        for start in range(0, len(found), AT_ONCE):
            fitting += [number for text, number in found[start : start + AT_ONCE] if word in text]
            await asyncio.sleep(0)
        return fitting[:limit], len(fitting)

    def forget(self) -> None:
        """Drop the cached list after a number was added or removed."""
        self.read_at = float("-inf")


def searchable(number: VapiNumber) -> str:
    """The folded texts by which a number is found; a query never reaches from one into the next."""
    texts = (number.name, number.number, number.id)
    return "\x00".join(fold_start(text or "") for text in texts)
