"""The replay of a span of recorded calls, page by page: little memory, however many calls there are."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from service.access.replay.replayer import Replayer
from service.domain.policies.replays import ReplaySums
from service.store.organizations.past_facts import PastFacts, read_past_facts
from service.store.policies.recorded_decisions import (
    DecidedSpan,
    RecordedDecision,
    read_decisions,
)
from service.store.pool import Pool

PAGE = 500
MOST_CALLS = 100_000


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay of at most `most` calls, newest first. `history_since`: older facts are deleted."""

    pool: Pool
    replayer: Replayer
    span: DecidedSpan
    history_since: datetime | None = None
    most: int = MOST_CALLS

    async def run(self, sums: ReplaySums) -> AsyncIterator[datetime]:
        """Fill in the sums; gives after each page how far back it has come."""
        last: RecordedDecision | None = None
        while True:
            limit = min(PAGE, self.most - sums.calls)
            page, past = await self.read(last, limit)
            await self.add(sums, page, past)
            if len(page) < limit:
                return
            last = page[-1]
            yield last.created_at
            if sums.calls >= self.most:
                sums.is_cut = True
                return

    async def read(
        self, last: RecordedDecision | None, limit: int
    ) -> tuple[list[RecordedDecision], dict[UUID, PastFacts]]:
        """A page of calls and the facts of their organizations, of one state of the database."""
        async with (
            self.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            page = await read_decisions(connection, self.span, last, limit)
            decided = [one.decision.decided_at for one in page if is_decided(one)]
            if not decided:
                return page, {}
            owners = {one.organization_id for one in page if one.organization_id is not None}
            first, last_at = min(decided) - SLACK, max(decided)
            past = await read_past_facts(connection, owners, first, last_at, self.history_since)
            return page, past

    async def add(
        self,
        sums: ReplaySums,
        page: list[RecordedDecision],
        past: dict[UUID, PastFacts],
    ) -> None:
        """Decide a page again, and count."""
        decided = [one for one in page if is_decided(one)]
        for _ in range(len(page) - len(decided)):
            sums.add_undecided()

        def find(one: RecordedDecision) -> PastFacts | None:
            return None if one.organization_id is None else past.get(one.organization_id)

        for call in await self.replayer.replay_page(decided, find):
            sums.add(call)


SLACK = timedelta(seconds=10)
"""How long before a decision changes are looked at: more than `SETTLING`."""


def is_decided(one: RecordedDecision) -> bool:
    """Whether policies decided it."""
    return one.organization_id is not None and bool(one.decision.trace)
