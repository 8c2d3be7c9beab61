"""The list of organizations with their access now, which is computed and no column."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol
from uuid import UUID

from policies.contract import Purpose
from service.domain.decisions import Decision
from service.domain.organizations import Organization
from service.store.organizations import organizations
from service.store.organizations import search as store
from service.store.organizations.search import Filters, Position, Sort
from service.store.pool import Pool

LIST_SECONDS = 3.0
"""How long a filtered list searches before it returns a short page with a cursor."""

LIST_CHUNK = 200


class ListPreview(Protocol):
    """The chain, for many organizations."""

    async def decide(
        self, organization: Organization, *, purpose: Purpose = "preview"
    ) -> Decision: ...

    async def find_matching(
        self, *, allowed: bool | None, reason: str | None
    ) -> Sequence[UUID] | None: ...


@dataclass(frozen=True, slots=True)
class OrganizationQuery:
    """The filters. `allowed` and `reason` are the chain's decision now; `external_id` is exact."""

    filters: Filters = field(default_factory=Filters)
    allowed: bool | None = None
    reason: str | None = None
    sort: Sort = "name"
    external_id: str | None = None

    def fits(self, decision: Decision) -> bool:
        return self.allowed in (None, decision.allowed) and self.reason in (None, decision.reason)


@dataclass(slots=True)
class OrganizationListing:
    """A page of the list; `next` is the position of the following page."""

    found: list[tuple[Organization, Decision]] = field(default_factory=list)
    next: Position | None = None


@dataclass(frozen=True, slots=True)
class OrganizationList:
    """Lists organizations; every role may."""

    pool: Pool
    preview: ListPreview
    seconds: float = LIST_SECONDS

    async def page(
        self, wanted: OrganizationQuery, *, after: Position | None, limit: int
    ) -> OrganizationListing:
        """Organizations in order with their access now.

        If the chain can be evaluated in memory, only matching organizations are read and evaluated
        again. Else pages are read until enough match or `seconds` have passed: a page may then be
        short and still have a successor. Each page evaluates at least one organization, so the list
        always ends.
        """
        judged = wanted.allowed is not None or wanted.reason is not None
        filters, size = wanted.filters, limit + 1
        if judged:
            ids = await self.preview.find_matching(allowed=wanted.allowed, reason=wanted.reason)
            filters = replace(filters, ids=ids)
            size = size if ids is not None else max(size, LIST_CHUNK)
        if wanted.external_id is not None:
            filters = await self.only(wanted.external_id, filters)
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
                decision = await self.preview.decide(organization, purpose="list")
                after = (store.value_of(wanted.sort, organization), organization.id)
                examined += 1
                if wanted.fits(decision):
                    listing.found.append((organization, decision))
            if len(page) < size:
                return listing

    async def count(self, wanted: OrganizationQuery) -> int | None:
        """How many organizations match; None if that needs a decision on each of them."""
        filters = wanted.filters
        if wanted.allowed is not None or wanted.reason is not None:
            ids = await self.preview.find_matching(allowed=wanted.allowed, reason=wanted.reason)
            if ids is None:
                return None
            filters = replace(filters, ids=ids)
        if wanted.external_id is not None:
            filters = await self.only(wanted.external_id, filters)
        return await store.count(self.pool, filters)

    async def only(self, external_id: str, filters: Filters) -> Filters:
        """The filters, for the one organization with this external id."""
        found = await organizations.find_by_external_id(self.pool, external_id)
        ids = [] if found is None else [found.id]
        known = filters.ids
        return replace(filters, ids=[one for one in ids if known is None or one in known])
