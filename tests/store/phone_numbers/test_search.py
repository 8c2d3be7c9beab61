"""The list of phone numbers: every order, page by page, and its counts."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from service.domain.phone_numbers import PhoneNumber, SyncState
from service.store.phone_numbers.matching import MOST_SORTED, Reach
from service.store.phone_numbers.search import (
    SORTS,
    Lead,
    NumberSort,
    PhoneNumberFilter,
    Position,
    count,
    count_statement,
    find_page,
    page_statement,
)
from service.store.pool import Pool
from service.store.reconcile.states import count_special

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
        assert counted.total == sum(counted.by_state.values()) == len(found)
        for state in SyncState:
            assert counted.by_state.get(state, 0) == sum(one.sync.state is state for one in found)


async def test_released_numbers_are_neither_listed_nor_counted(
    pool: Pool, owners: dict[UUID, str]
) -> None:
    await pool.execute(
        "UPDATE callgate.phone_numbers SET released_at = now() WHERE label ILIKE 'alpha'"
    )
    kept = len(LABELS) - sum((label or "").lower() == "alpha" for label in LABELS)
    for wanted, expected in ((PhoneNumberFilter(), kept), (PhoneNumberFilter("alpha"), 0)):
        assert len((await find_page(pool, wanted, sort="label", limit=100)).numbers) == expected
        assert (await count(pool, wanted)).total == expected
    await pool.execute("UPDATE callgate.phone_numbers SET released_at = now()")
    assert (await count(pool, PhoneNumberFilter())).by_state == {}
    assert await count_special(pool) == (0, len(LABELS))


TEXTS = (
    "al",
    "ALPHA",
    "é",
    "ÉM",
    "m",
    "v3",
    "200",
    "(555) 200 000",
    "+1 555 2000",
    "cme",
    "z u",
    "%",
    "",
)


@pytest.mark.parametrize("text", TEXTS)
async def test_a_search_finds_the_same_along_the_index_and_through_the_list(
    pool: Pool, owners: dict[UUID, str], text: str
) -> None:
    wanted = PhoneNumberFilter(text)
    sorts: tuple[NumberSort, ...] = ("id", "-label", "organization")
    for sort in sorts:
        page = await find_page(pool, wanted, sort=sort, limit=100)
        reaches: tuple[Reach, ...] = ("few", "many") if len(text) > 1 else ()
        for reach in reaches:
            statement = page_statement(sort, reach, "none", later=False)
            rows = await pool.fetch(statement, *wanted.values, None, "", 100)
            assert [row["id"] for row in rows if row["id"]] == [one.id for one in page.numbers]


async def test_a_text_that_most_numbers_have_is_found_through_the_list(pool: Pool) -> None:
    owner = await pool.fetchval(ORGANIZATION, "Call centre")
    await pool.execute(
        """
        WITH added AS (INSERT INTO callgate.phone_numbers
                (organization_id, vapi_phone_number_id, label)
            SELECT $1, 'v' || n, 'Line ' || n FROM generate_series(1, $2::int) AS n RETURNING id)
        INSERT INTO callgate.webhook_states (phone_number_id) SELECT id FROM added
        """,
        owner,
        MOST_SORTED + 1,
    )
    for text in ("line", "entre"):
        counted = await count(pool, PhoneNumberFilter(text))
        assert (counted.total, counted.by_state) == (MOST_SORTED + 1, {})
        page = await find_page(pool, PhoneNumberFilter(text), sort="label", limit=3)
        assert [one.label for one in page.numbers] == ["Line 1", "Line 10", "Line 100"]
    assert (await count(pool, PhoneNumberFilter("line 77"))).total == 111
    assert (await count(pool, PhoneNumberFilter())).total == MOST_SORTED + 1
    page = await find_page(pool, PhoneNumberFilter("line 777"), sort="-label", limit=3)
    assert [one.label for one in page.numbers] == ["Line 7779", "Line 7778", "Line 7777"]


ORDERS = {
    "label": "phone_numbers_label_idx",
    "number": "phone_numbers_shown_idx",
    "organization": "organizations_order_idx",
}
WITHOUT_OTHERS = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off"


async def plan_of(pool: Pool, statement: str, settings: str = WITHOUT_OTHERS) -> str:
    async with pool.acquire() as connection:
        await connection.execute(f"{settings}; SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE asked AS {statement}")
        given = ", ".join(["NULL"] * (13 if "$13" in statement else 10))
        rows = await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE asked ({given})")
        await connection.execute("DEALLOCATE asked")
        return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("sort", SORTS[1:])
async def test_every_order_is_that_of_an_index(pool: Pool, sort: NumberSort) -> None:
    index = ORDERS[sort.lstrip("-")]
    reaches: tuple[Reach, ...] = ("all", "many")
    for reach in reaches:
        for later in (False, True):
            assert index in await plan_of(pool, page_statement(sort, reach, "none", later=later))


async def test_a_search_and_the_filters_that_leave_few_are_read_along_their_indexes(
    pool: Pool,
) -> None:
    seldom = "SET enable_seqscan = off"
    plan = await plan_of(pool, page_statement("label", "few", "none", later=False), seldom)
    assert plan.count("Bitmap Index Scan on phone_numbers_search_idx") == 2
    assert "Bitmap Index Scan on organizations_search_idx" in plan
    leads: dict[Lead, str] = {
        "state": "webhook_states_state_idx",
        "paused": "webhook_states_paused_idx",
    }
    for lead, index in leads.items():
        assert index in await plan_of(pool, count_statement("all", lead), seldom)
