"""What is at Vapi, as imports need it: all numbers page by page, and those that a file names.

Nothing is changed there, and nothing is known of what is registered here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TypeVar

from yarl import URL

from service.admin.imports.csv_file import HIDDEN, MAX_TEXT, VAPI_ID
from service.domain.priority import Priority
from service.vapi.bindings import BINDINGS
from service.vapi.client import VapiClient
from service.vapi.errors import (
    VapiError,
    VapiNotFoundError,
    VapiRejectedError,
    VapiUnavailableError,
)
from service.vapi.resources import PhoneNumberPage, PhoneNumberView, text

TRIES = 3
WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 10.0

PRESSING = 20
"""So many questions about single numbers may go before repairs; a file full of unknown ids may not."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class VapiNumber:
    """A number at Vapi. `answered_by` is what is bound to it, in Vapi's words (`assistantId`, …).

    `webhook_url` comes without user name, password and query, which may be secrets.
    """

    id: str
    number: str | None = None
    name: str | None = None
    answered_by: Mapping[str, str] = field(default_factory=dict)
    webhook_url: str | None = None

    @classmethod
    def of(cls, view: PhoneNumberView) -> "VapiNumber | None":
        """The view's fields; None for an object without an id that could be one."""
        if view.id is None or not VAPI_ID.fullmatch(view.id):
            return None
        bound = {name: text(view.raw.get(name)) for name in BINDINGS}
        url = view.server.get("url") if view.server else None
        return cls(
            view.id,
            plain(view.number),
            plain(view.name),
            {key: value for key, value in bound.items() if value},
            plain_url(url) if isinstance(url, str) and url else None,
        )


@dataclass(slots=True)
class KnownNumbers:
    """What Vapi said of the numbers that were asked for.

    `refused` are ids that Vapi itself does not know, with its reason. `problem` is why not all
    could be asked: then what is not here is not known, neither to be there nor to be gone.
    """

    by_id: dict[str, VapiNumber] = field(default_factory=dict)
    by_number: dict[str, list[VapiNumber]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    problem: str | None = None

    def add(self, number: VapiNumber) -> None:
        self.by_id[number.id] = number
        if number.number is not None:
            same = self.by_number.setdefault(number.number, [])
            if number.id not in [other.id for other in same]:
                same.append(number)


@dataclass(frozen=True, slots=True)
class VapiNumbers:
    """Reads numbers at Vapi, with a little patience for its bad moments."""

    client: VapiClient
    wait_seconds: float = WAIT_SECONDS

    async def pages(self) -> AsyncIterator[list[VapiNumber]]:
        """All numbers, oldest first, each once. Raises a `VapiError`."""
        seen = set[str]()
        for page in count(1):
            found = await self.patiently(partial(self.ask_page, page))
            read = (VapiNumber.of(view) for view in found.numbers)
            fresh = [item for item in read if item is not None and item.id not in seen]
            seen.update(item.id for item in fresh)
            yield fresh
            if not found.has_next:
                return
            if not fresh:
                raise VapiUnavailableError("Vapi gives the same page of phone numbers for ever.")

    async def ask_page(self, page: int) -> PhoneNumberPage:
        return await self.client.list_phone_numbers_page(page, priority=Priority.ADMIN)

    async def look_up(self, ids: set[str], numbers: set[str]) -> KnownNumbers:
        """What Vapi has of these ids and E.164 numbers.

        A page may miss one: an id is refused only by Vapi's answer to the question for it alone.
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
        """Ask for one number by its id. Raises a `VapiError` when that settles nothing."""
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
        """Ask again, a few times, while Vapi is in trouble or wants fewer requests."""
        for attempt in range(1, TRIES):
            try:
                return await ask()
            except VapiUnavailableError as exc:
                wait = self.wait_seconds * attempt if exc.retry_after is None else exc.retry_after
                if wait > MAX_WAIT_SECONDS:
                    raise
                await asyncio.sleep(wait)
        return await ask()


def plain(text: str | None) -> str | None:
    """A text without what cannot be seen, or stored."""
    cleaned = HIDDEN.sub("", text or "").encode("utf-8", "ignore").decode().strip()
    return cleaned[:MAX_TEXT] or None


def plain_url(text: str) -> str:
    """A URL without what could be a secret in it."""
    try:
        return plain(str(URL(text).with_user(None).with_query(None).with_fragment(None))) or ""
    except ValueError:
        return "(not a URL)"
