"""The list of phone numbers: every order, page by page, and its counts."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from service.domain.phone_numbers import PhoneNumber, SyncState
from service.store.phone_numbers.search import (
    SORTS,
    NumberSort,
    PhoneNumberFilter,
    Position,
    count,
    find_page,
)
from service.store.pool import Pool

LABELS = ("Zulu", "alpha", "Alpha", "émile", None, None, "mike", "alpha")
ORGANIZATION = "INSERT INTO callgate.organizations (name) VALUES ($1) RETURNING id"
NUMBER = """
WITH added AS (INSERT INTO callgate.phone_numbers
        (organization_id, vapi_phone_number_id, number, label)
    VALUES ($1, $2, $3, $4) RETURNING id)
INSERT INTO callgate.webhook_states (phone_number_id, state) SELECT id, $5 FROM added
"""


@pytest.fixture
async def owners(pool: Pool) -> dict[UUID, str]:
    """Numbers of two organizations, in two states, some without a label or digits."""
    names = {await pool.fetchval(ORGANIZATION, name): name for name in ("Bakery", "acme")}
    ids = list(names)
    for place, label in enumerate(LABELS):
        digits = None if label is None and place % 2 else f"+1555200{(7 * place) % 8:04}"
        state = "drifted" if place % 3 == 0 else "in_sync"
        await pool.execute(NUMBER, ids[place % 2], f"v{place}", digits, label, state)
    return names


def key_of(sort: str, names: dict[UUID, str]) -> Callable[[PhoneNumber], Any]:
    def key(number: PhoneNumber) -> tuple[str, UUID]:
        found = {
            "id": "",
            "label": (number.label or number.number or number.vapi_phone_number_id).lower(),
            "number": number.number or number.vapi_phone_number_id,
            "organization": names[number.organization_id].lower(),
        }[sort.lstrip("-")]
        return found, number.id

    return key


@pytest.mark.parametrize("sort", SORTS)
async def test_every_order_is_whole_over_its_pages(
    pool: Pool, owners: dict[UUID, str], sort: NumberSort
) -> None:
    seen: list[PhoneNumber] = []
    after: Position | None = None
    while True:
        page = await find_page(pool, PhoneNumberFilter(), sort=sort, after=after, limit=3)
        seen += page.numbers
        if (after := page.next) is None:
            break
    assert len(seen) == len(LABELS)
    assert seen == sorted(seen, key=key_of(sort, owners), reverse=sort.startswith("-"))


async def test_the_counts_are_those_of_the_list(pool: Pool, owners: dict[UUID, str]) -> None:
    first = next(iter(owners))
    for wanted in (
        PhoneNumberFilter(),
        PhoneNumberFilter("alpha"),
        PhoneNumberFilter("(555) 200"),
        PhoneNumberFilter(organization_id=first),
        PhoneNumberFilter(sync_state="drifted"),
        PhoneNumberFilter("nothing has this"),
    ):
        found = (await find_page(pool, wanted, limit=100)).numbers
        counted = await count(pool, wanted)
        assert sum(counted.values()) == len(found)
        for state in SyncState:
            assert counted.get(state, 0) == sum(one.sync.state is state for one in found)
