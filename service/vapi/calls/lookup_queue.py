"""Which of the look-ups that wait the next request answers: one call, or a list of calls. No I/O.

Requests go in turn to the newest call and to the one that waits longest, so that a backlog neither
holds up fresh calls nor is held up by them. A list is asked for from a call's beginning backwards, so
that a few lists answer the calls that an outage delayed, however many began since.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import quote

from service.vapi.paging import created_at

LIST_FROM = 3
"""So many look-ups that wait together are answered by a list."""
LEAST_LISTED, FIRST_LISTED, MOST_LISTED = 10, 100, 1000
LISTED_BYTES = 2**20
"""How large an answer should be at most: the element of a long call may have over 100 kB."""
CLOCKS_DIFFER = timedelta(seconds=0.5)
"""How much later Vapi may say that a call was created than we do."""
LONGEST_CALL = timedelta(hours=12)
UNTOLD = timedelta(minutes=2)
"""How much earlier: the first message that we have of a call need not tell when it was created."""

Call = dict[str, Any]


@dataclass(slots=True, eq=False)
class Lookup:
    """A look-up that waits. `began`: when the call did, as far as we know. `alone`: a list did not show
    the call, or could not be read."""

    vapi_call_id: str
    answer: asyncio.Future[Call]
    began: datetime
    callers: int = 0
    alone: bool = False


@dataclass(frozen=True, slots=True)
class CallQuery:
    """The newest `limit` calls of those that were created from `since` to `until` (None: now)."""

    limit: int
    since: datetime
    until: datetime | None

    @property
    def text(self) -> str:
        """The query of the request."""
        until = f"&createdAtLe={quote(self.until.isoformat())}" if self.until else ""
        return f"limit={self.limit}&createdAtGe={quote(self.since.isoformat())}{until}"


@dataclass(frozen=True, slots=True)
class CallList:
    """Vapi's answer: the calls by their ids in small letters, when the oldest was created (None: it does
    not say), and the size in bytes."""

    calls: Mapping[str, Call]
    oldest: datetime | None
    size: int

    @classmethod
    def of(cls, objects: Iterable[Call], size: int) -> Self:
        """The list of these objects."""
        calls = {str(item["id"]).lower(): item for item in objects}
        created = filter(None, map(created_at, calls.values()))
        return cls(calls, min(created, default=None), size)


@dataclass(frozen=True, slots=True)
class Batch:
    """The look-ups that a request answers, the leading one first. `query` None: it is the only one, and
    gets a request of its own."""

    lookups: list[Lookup]
    query: CallQuery | None = None


@dataclass(slots=True)
class LookupQueue:
    """Look-ups by the ids of their calls, in the order in which they began to wait.

    `limit`: how many calls the next list asks for. `span`: how much time a list covers.
    """

    waiting: dict[str, Lookup] = field(default_factory=dict)
    limit: int = FIRST_LISTED
    span: timedelta = timedelta.max
    newest_next: bool = True

    def take(self, now: datetime) -> Batch | None:
        """Take out what the next request answers; None if nothing waits."""
        if not self.waiting:
            return None
        oldest = now - LONGEST_CALL
        listed = {
            one: max(min(one.began, now), oldest) for one in self.waiting.values() if not one.alone
        }
        lead = next(iter(self.waiting.values()))
        if listed and self.newest_next:
            lead = max(listed, key=listed.__getitem__)
        self.newest_next = not self.newest_next
        batch = Batch([lead]) if lead.alone else self.batch_from(lead, listed, now)
        for one in batch.lookups:
            del self.waiting[one.vapi_call_id]
        return batch

    def batch_from(self, lead: Lookup, listed: Mapping[Lookup, datetime], now: datetime) -> Batch:
        """What a list from the beginning of one call backwards should answer."""
        until = listed[lead] + CLOCKS_DIFFER
        near = [one for one, began in listed.items() if timedelta() <= until - began <= self.span]
        lookups = [lead, *(one for one in near if one is not lead)][: self.limit]
        if len(lookups) < LIST_FROM:
            return Batch([lead])
        since = min(map(listed.__getitem__, lookups)) - UNTOLD
        return Batch(lookups, CallQuery(self.limit, since, until if until < now else None))

    def learn(self, batch: Batch, found: CallList) -> None:
        """Mark those that a list should have shown and did not: each needs a request of its own. Those
        that began before its oldest call are left to another list, which covers more if it may.

        The leading one is always marked: each request brings the queue forward.
        """
        lead, *others = batch.lookups
        lead.alone = True
        cut = False
        for one in others:
            missing = one.vapi_call_id.lower() not in found.calls
            reached = found.oldest is None or one.began >= found.oldest
            one.alone = missing and reached
            cut = cut or (missing and not reached)
        assert batch.query is not None, "only lists are learnt from"
        came = len(found.calls)
        wanted = self.limit * 2 if cut else self.limit
        fitting = LISTED_BYTES * came // found.size if came >= LEAST_LISTED else wanted
        self.limit = max(min(wanted, fitting, MOST_LISTED), LEAST_LISTED)
        until = batch.query.until or max(one.began for one in batch.lookups)
        self.span = until - found.oldest if cut and found.oldest else timedelta.max

    def shrink(self) -> None:
        """Ask for less from now on, because a list was too large."""
        self.limit = max(self.limit // 4, LEAST_LISTED)
