"""The list of organizations: what is looked for is found, in every order, page by page, and fast."""

import time
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from service.access.directory import AccessDirectory
from service.access.policies.chain import AccessChain
from service.access.policies.plugins import load_policies
from service.access.policies.preview import ChainPreview
from service.admin.organizations.search import OrganizationList, OrganizationQuery
from service.store.organizations.directory import ENTRIES, entry_of
from service.store.organizations.search import SORTS, STATEMENTS, Filters, Sort
from service.store.pool import Pool

TRIALS = {"apex": 3, "cafe": 30, "eve": -5}
NO_FILTERS: tuple[object, ...] = (None, [], *([None] * 6))


@pytest.fixture
def listed(pool: Pool, preview: ChainPreview) -> OrganizationList:
    return OrganizationList(pool, preview)


async def names(listed: OrganizationList, wanted: OrganizationQuery, limit: int = 100) -> list[str]:
    """All pages of a list."""
    found: list[str] = []
    after = None
    while True:
        listing = await listed.page(wanted, after=after, limit=limit)
        found += [organization.name for organization, _ in listing.found]
        after = listing.next
        if after is None:
            return found


@pytest.fixture
async def few(pool: Pool) -> dict[str, UUID]:
    """One of each kind; days count from now."""
    rows = await pool.fetch(
        """
        INSERT INTO callgate.organizations (name, external_id, created_at)
        SELECT name, 'crm-' || name, now() - place * interval '1 day'
        FROM unnest($1::text[]) WITH ORDINALITY AS given (name, place) RETURNING name, id
        """,
        ["apex", "Bakery", "cafe", "Dentist", "eve"],
    )
    ids = {row["name"]: row["id"] for row in rows}
    await pool.executemany(
        "INSERT INTO callgate.trials (organization_id, starts_at, ends_at) "
        "VALUES ($1, now() - interval '90 days', now() + $2)",
        [(ids[name], timedelta(days=days)) for name, days in TRIALS.items()],
    )
    await pool.executemany(
        "INSERT INTO callgate.plans (organization_id, code, status, current_period_end) "
        "VALUES ($1, 'pro', $2, now() + $3)",
        [(ids["Bakery"], "active", timedelta(days=9)), (ids["Dentist"], "paused", None)],
    )
    await pool.execute(
        "INSERT INTO callgate.overrides (organization_id, effect, reason, author, expires_at) "
        "VALUES ($1, 'deny', 'fraud', 'ada', NULL), ($2, 'allow', 'x', 'ada', now())",
        ids["cafe"],
        ids["eve"],
    )
    await pool.execute(
        "INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id, number) "
        "VALUES ($1, 'pn-1', '+493012345678')",
        ids["Bakery"],
    )
    return ids


async def test_every_order_goes_through_all_once(
    listed: OrganizationList, few: dict[str, UUID]
) -> None:
    by_name = ["apex", "Bakery", "cafe", "Dentist", "eve"]
    found = {sort: await names(listed, OrganizationQuery(sort=sort), 1) for sort in SORTS}
    assert found["name"] == by_name
    assert found["-name"] == by_name[::-1]
    assert found["-created_at"] == by_name
    assert found["created_at"] == by_name[::-1]
    assert found["trial_ends_at"][:3] == ["eve", "apex", "cafe"]
    assert found["-trial_ends_at"][:3] == ["cafe", "apex", "eve"]
    assert found["plan_ends_at"][0] == found["-plan_ends_at"][0] == "Bakery"
    for sort in SORTS:
        assert sorted(found[sort]) == sorted(by_name), sort
        for limit in (2, 3):
            assert await names(listed, OrganizationQuery(sort=sort), limit) == found[sort]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(trial="running"), ["apex", "cafe"]),
        (Filters(trial="ending"), ["apex"]),
        (Filters(trial="ended"), ["eve"]),
        (Filters(trial="none"), ["Bakery", "Dentist"]),
        (Filters(override=True), ["cafe"]),
        (Filters(override=False), ["apex", "Bakery", "Dentist", "eve"]),
        (Filters(numbers=False), ["apex", "cafe", "Dentist", "eve"]),
        (Filters(numbers=True), ["Bakery"]),
        (Filters(plan_status="paused"), ["Dentist"]),
        (Filters(plan_status="none"), ["apex", "cafe", "eve"]),
        (Filters(trial="running", override=True), ["cafe"]),
        (Filters("AKE"), ["Bakery"]),
        (Filters("crm-"), ["apex", "Bakery", "cafe", "Dentist", "eve"]),
        (Filters("+49 30 123-4567"), ["Bakery"]),
        (Filters("pn-1"), ["Bakery"]),
        (Filters("%"), []),
    ],
)
async def test_filters_find(
    listed: OrganizationList, few: dict[str, UUID], filters: Filters, expected: list[str]
) -> None:
    assert await names(listed, OrganizationQuery(filters)) == expected


async def test_a_whole_id_finds_its_organization(
    listed: OrganizationList, few: dict[str, UUID]
) -> None:
    assert await names(listed, OrganizationQuery(Filters(str(few["eve"])))) == ["eve"]
    assert await names(listed, OrganizationQuery(Filters(str(uuid4())))) == []


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (OrganizationQuery(allowed=True), ["apex", "Bakery"]),
        (OrganizationQuery(allowed=False), ["cafe", "Dentist", "eve"]),
        (OrganizationQuery(reason="trial_expired"), ["eve"]),
        (OrganizationQuery(reason="override_deny", sort="-trial_ends_at"), ["cafe"]),
        (OrganizationQuery(allowed=True, reason="trial_expired"), []),
    ],
)
async def test_what_the_chain_says_is_found_from_memory_and_without(
    listed: OrganizationList,
    pool: Pool,
    few: dict[str, UUID],
    wanted: OrganizationQuery,
    expected: list[str],
) -> None:
    assert await names(listed, wanted, 2) == expected
    known = OrganizationList(pool, await informed(pool))
    assert (
        await known.preview.find_matching(allowed=wanted.allowed, reason=wanted.reason) is not None
    )
    for _ in range(2):
        assert await names(known, wanted, 2) == expected


async def test_memory_does_not_outlive_a_change(pool: Pool, few: dict[str, UUID]) -> None:
    preview = await informed(pool)
    listed = OrganizationList(pool, preview)
    assert await names(listed, OrganizationQuery(allowed=True)) == ["apex", "Bakery"]
    await pool.execute("DELETE FROM callgate.plans")
    # What is stored counts, even before the directory hears of it.
    assert await names(listed, OrganizationQuery(allowed=True)) == ["apex"]
    await pool.execute("UPDATE callgate.overrides SET effect = 'allow', expires_at = NULL")
    await refill(pool, preview.directory)
    assert await names(listed, OrganizationQuery(allowed=True)) == ["apex", "cafe", "eve"]


async def refill(pool: Pool, directory: AccessDirectory) -> None:
    made = AccessDirectory()
    for row in await pool.fetch(ENTRIES):
        made.put(entry_of(row))
    directory.replace(made)
    directory.record_heartbeat()


async def informed(pool: Pool) -> ChainPreview:
    """A preview whose directory holds everything."""
    directory = AccessDirectory()
    await refill(pool, directory)
    return ChainPreview(AccessChain(load_policies().policies), directory)


@pytest.fixture
async def many(pool: Pool) -> int:
    """More organizations than fit into a few pages; every tenth has a plan."""
    count = 20_000
    await pool.execute(
        """
        INSERT INTO callgate.organizations (name, external_id)
        SELECT 'org ' || lpad(n::text, 6, '0'), 'crm-' || n FROM generate_series(1, $1::int) n
        """,
        count,
    )
    await pool.execute(
        """
        INSERT INTO callgate.plans (organization_id, code, status)
        SELECT id, 'pro', 'active' FROM callgate.organizations WHERE name LIKE '%0'
        """
    )
    await pool.execute("ANALYZE callgate.organizations, callgate.plans")
    return count


@pytest.fixture
async def ending(pool: Pool, many: int) -> None:
    """All of them have a trial and a plan that end some day."""
    await pool.execute(
        """
        INSERT INTO callgate.trials (organization_id, starts_at, ends_at)
        SELECT id, now() - interval '99 days', now() + (random() - 0.5) * interval '60 days'
        FROM callgate.organizations
        """
    )
    await pool.execute(
        """
        INSERT INTO callgate.plans (organization_id, code, status, current_period_end)
        SELECT id, 'pro', 'active', now() + (random() - 0.5) * interval '60 days'
        FROM callgate.organizations
        ON CONFLICT (organization_id) DO UPDATE SET current_period_end = now()
        """
    )
    await pool.execute("ANALYZE callgate.plans, callgate.trials")


LATE: dict[str, object] = {"name": "org 015000", "-name": "org 005000"}


async def test_a_late_page_of_many_is_read_by_the_index(pool: Pool, ending: None) -> None:
    for sort in SORTS:
        await check_index(pool, sort)


async def check_index(pool: Pool, sort: Sort) -> None:
    late = LATE.get(sort) or await pool.fetchval("SELECT now()")
    first, later = STATEMENTS[sort]
    for statement, place in ((first, ()), (later, (late, UUID(int=0)))):
        plan = await pool.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *NO_FILTERS, 51, *place
        )
        index = {"name": "organizations_name", "created_at": "organizations_created"}
        index |= {"trial_ends_at": "trials_end", "plan_ends_at": "plans_end"}
        assert f"{index[sort.lstrip('-')]}_idx" in str(plan), sort
        assert "Seq Scan on organizations" not in str(plan), sort
        assert "'Node Type': 'Sort'" not in str(plan), sort


@pytest.mark.alone
async def test_many_answer_at_once_whatever_is_looked_for(pool: Pool, many: int) -> None:
    listed = OrganizationList(pool, await informed(pool))
    await listed.preview.find_matching(allowed=True, reason=None)
    for wanted in (
        OrganizationQuery(),
        OrganizationQuery(Filters("019999")),
        OrganizationQuery(Filters("nowhere")),
        OrganizationQuery(Filters(override=True)),
        OrganizationQuery(Filters(trial="ending"), sort="trial_ends_at"),
        OrganizationQuery(allowed=True, sort="-created_at"),
        OrganizationQuery(reason="plan_paused"),
    ):
        await listed.page(wanted, after=None, limit=50)
        began = time.perf_counter()
        await listed.page(wanted, after=None, limit=50)
        took = time.perf_counter() - began
        assert took < 0.5


async def test_a_filter_finds_the_last_of_many(
    listed: OrganizationList, pool: Pool, many: int
) -> None:
    await pool.execute(
        "DELETE FROM callgate.plans WHERE organization_id <> (SELECT id FROM "
        "callgate.organizations ORDER BY lower(name) DESC LIMIT 1)"
    )
    assert await names(listed, OrganizationQuery(allowed=True), 50) == [f"org {many:06}"]


async def test_a_filter_that_finds_too_little_in_time_says_where_to_go_on(
    listed: OrganizationList, many: int
) -> None:
    listed = replace(listed, seconds=0.0)
    wanted = OrganizationQuery(Filters("org 0000"), allowed=True)
    listing = await listed.page(wanted, after=None, limit=200)
    assert (listing.found, listing.next is None) == ([], False)
    assert await names(listed, wanted, 200) == [f"org 0000{number}0" for number in range(1, 10)]
