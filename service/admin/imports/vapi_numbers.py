"""Numbers at Vapi, for imports: all of them page by page, and those that a file names.

Reads only, and knows nothing of the registered numbers.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from service.admin.imports.known_numbers import KnownNumbers, VapiNumber
from service.domain.priority import Priority
from service.vapi.client import VapiClient
from service.vapi.errors import (
    VapiError,
    VapiNotFoundError,
    VapiRejectedError,
    VapiUnavailableError,
)
from service.vapi.pages import PhoneNumberPage
from service.vapi.paging import PageWalk
from service.vapi.resources import PhoneNumberView

TRIES = 3
WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 10.0

PRESSING = 20
"""This many requests for single numbers may precede repairs; a file of unknown ids may not."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class VapiNumbers:
    """Reads numbers at Vapi, with a few retries."""

    client: VapiClient
    wait_seconds: float = WAIT_SECONDS

    async def pages(self) -> AsyncIterator[list[VapiNumber]]:
        """All numbers, oldest first, each once. Raises a `VapiError`, also for an incomplete list."""
        walk = PageWalk()
        while walk.page is not None:
            found = await self.patiently(partial(self.ask_page, walk.page, walk.limit))
            read = (VapiNumber.of(view) for view in walk.take(found))
            yield [item for item in read if item is not None]
        if walk.gap is not None:
            raise VapiUnavailableError(walk.gap)

    async def ask_page(self, page: int, limit: int) -> PhoneNumberPage:
        return await self.client.list_phone_numbers_page(page, limit, Priority.ADMIN)

    async def look_up(self, ids: set[str], numbers: set[str]) -> KnownNumbers:
        """Find these ids and E.164 numbers at Vapi.

        A page may miss one, so an id counts as refused only after a request for it alone.
        """
        known = KnownNumbers()
        try:
            async for page in self.pages():
                for item in page:
                    if item.id in ids or item.number in numbers:
                        known.add(item)
            for asked, vapi_id in enumerate(sorted(ids - known.by_id.keys())):
                priority = Priority.ADMIN if asked < PRESSING else Priority.REPAIR
                await self.confirm(known, vapi_id, priority)
        except VapiError as exc:
            known.problem = str(exc)
        return known

    async def confirm(self, known: KnownNumbers, vapi_id: str, priority: Priority) -> None:
        """Request one number by its id. Raises a `VapiError` if the answer is inconclusive."""
        try:
            raw = await self.patiently(partial(self.client.get_phone_number, vapi_id, priority))
        except VapiNotFoundError:
            known.refused[vapi_id] = (
                "Vapi has no phone number with this id. Copy the id from Vapi's dashboard, and "
                "check that VAPI_API_KEY belongs to the same Vapi organization."
            )
        except VapiRejectedError as exc:
            known.refused[vapi_id] = str(exc)
        else:
            found = VapiNumber.of(PhoneNumberView(raw))
            if found is not None:
                known.add(found)

    async def patiently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Retry a few times while Vapi fails or throttles."""
        for attempt in range(1, TRIES):
            try:
                return await ask()
            except VapiUnavailableError as exc:
                wait = self.wait_seconds * attempt if exc.retry_after is None else exc.retry_after
                if wait > MAX_WAIT_SECONDS:
                    raise
                await asyncio.sleep(wait)
        return await ask()
