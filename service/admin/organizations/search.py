"""The list of organizations, each with its access now: what the chain says is no column."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol
from uuid import UUID

from service.domain.decisions import Decision
from service.domain.organizations import Organization
from service.store.organizations import search as store
from service.store.organizations.search import Filters, Position, Sort
from service.store.pool import Pool

LIST_SECONDS = 3.0
"""How long a filtered list looks for more before it gives what it has, with the way to go on."""

LIST_CHUNK = 200


class ListPreview(Protocol):
    """The chain, asked about many."""

    async def decide(self, organization: Organization) -> Decision: ...

    async def find_matching(
        self, *, allowed: bool | None, reason: str | None
    ) -> Sequence[UUID] | None: ...


@dataclass(frozen=True, slots=True)
class OrganizationQuery:
    """What to list. `allowed` and `reason` are the chain's answer now."""

    filters: Filters = field(default_factory=Filters)
    allowed: bool | None = None
    reason: str | None = None
    sort: Sort = "name"

    def fits(self, decision: Decision) -> bool:
        return self.allowed in (None, decision.allowed) and self.reason in (None, decision.reason)


@dataclass(slots=True)
class OrganizationListing:
    """A part of the list; `next` is the position after which it goes on."""

    found: list[tuple[Organization, Decision]] = field(default_factory=list)
    next: Position | None = None


@dataclass(frozen=True, slots=True)
class OrganizationList:
    """What everybody may read."""

    pool: Pool
    preview: ListPreview
    seconds: float = LIST_SECONDS

    async def page(
        self, wanted: OrganizationQuery, *, after: Position | None, limit: int
    ) -> OrganizationListing:
        """Organizations in order with their access now.

        Where memory knows what the chain says, only those that fit are read; what was stored a
        moment ago is judged again. Else pages are read until enough are found, or until
        `seconds` are over: a page may then be short and still have a successor. At least one
        organization is looked at, so that whoever goes on gets to the end.
        """
        judged = wanted.allowed is not None or wanted.reason is not None
        filters, size = wanted.filters, limit + 1
        if judged:
            ids = await self.preview.find_matching(allowed=wanted.allowed, reason=wanted.reason)
            filters = replace(filters, ids=ids)
            size = size if ids is not None else max(size, LIST_CHUNK)
        listing, examined = OrganizationListing(), 0
        ends_at = time.monotonic() + self.seconds
        while True:
            page = await store.list_page(
                self.pool, filters=filters, sort=wanted.sort, after=after, limit=size
            )
            for organization in page:
                late = examined > 0 and time.monotonic() > ends_at
                if late or len(listing.found) == limit:
                    listing.next = after
                    return listing
                decision = await self.preview.decide(organization)
                after = (store.value_of(wanted.sort, organization), organization.id)
                examined += 1
                if wanted.fits(decision):
                    listing.found.append((organization, decision))
            if len(page) < size:
                return listing
