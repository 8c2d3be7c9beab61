"""The page of usage over real HTTP: a month by client, in any order, and as a file."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from tests.support.calls import new_call, record
from tests.support.service import Replica
from tests.support.visiting import Shown, Visitor, visiting
from tests.support.visiting import rows_of as listed

NOW = datetime.now(UTC)
MIDDLE = NOW.replace(day=1, hour=12)
LAST = MIDDLE - timedelta(days=10)
NAME = re.compile(r'<th scope="row">(?:<a[^>]*>)?([^<]+)')


async def use(
    callgate: Replica, owner: str, minutes: float, cost: str = "0", at: datetime = MIDDLE
) -> None:
    call = new_call(
        str(uuid4()),
        organization_id=UUID(owner),
        started_at=at,
        ended_at=at,
        duration_seconds=minutes * 60,
        cost=Decimal(cost),
    )
    await record(callgate.service.pool, call)


async def ok(visitor: Visitor, path: str) -> Shown:
    shown = await visitor.get(path)
    assert shown.status == 200, shown.text
    return shown


def rows_of(shown: Shown) -> list[str]:
    """The names in the list."""
    table = shown.body.partition('<tbody id="rows">')[2].partition("</tbody>")[0]
    return [name.strip() for name in NAME.findall(table)]


async def three_clients(callgate: Replica) -> dict[str, str]:
    found = {}
    for name, minutes, cost, before in (
        ("Bakery", 10, "9.5", 400),
        ("Cafe", 1024.5, "1.25", 20),
        ("Diner", 0.5, "3", 0),
    ):
        found[name] = await callgate.add_organization(name, external_id=f"crm-{name}")
        await use(callgate, found[name], minutes, cost)
        if before:
            await use(callgate, found[name], before, at=LAST)
    return found


async def test_nothing_yet_says_what_comes_here(callgate: Replica) -> None:
    async with visiting(callgate, "viewer", "Vic") as vic:
        assert "No usage yet" in (await ok(vic, "/usage")).text


async def test_this_month_by_client_with_the_month_before_beside_it(callgate: Replica) -> None:
    await three_clients(callgate)
    async with visiting(callgate, "viewer", "Vic") as vic:
        shown = await ok(vic, "/usage")
        assert f"Usage in {NOW:%B %Y}" in shown.text
        assert rows_of(shown) == ["Cafe", "Bakery", "Diner"]
        assert "1,024.5" in shown.text
        assert "1,035.0" in shown.text
        assert f"420.0 in {LAST:%B %Y}" in shown.text
        assert "$13.75" in shown.text
        assert 'aria-sort="descending"' in shown.body
        shown = await ok(vic, f"/usage?month={LAST:%Y-%m}")
        assert rows_of(shown) == ["Bakery", "Cafe", "Diner"]
        assert f"/admin/usage?month={NOW:%Y-%m}" in shown.links
        assert f"/admin/usage?month={LAST:%Y-%m}" in (await ok(vic, "/usage")).links


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("name", ["Bakery", "Cafe", "Diner"]),
        ("-name", ["Diner", "Cafe", "Bakery"]),
        ("minutes", ["Diner", "Bakery", "Cafe"]),
        ("-cost", ["Bakery", "Diner", "Cafe"]),
        ("-before", ["Bakery", "Cafe", "Diner"]),
        ("-calls", ["Bakery", "Cafe", "Diner"]),
    ],
)
async def test_each_column_sorts(callgate: Replica, sort: str, names: list[str]) -> None:
    await three_clients(callgate)
    async with visiting(callgate) as ada:
        assert rows_of(await ok(ada, f"/usage?sort={sort}")) == names


async def test_clients_are_found_and_counted_by_their_limits(callgate: Replica) -> None:
    clients = await three_clients(callgate)
    for name, minutes in (("Bakery", 12), ("Cafe", 1000)):
        plan = {"code": "pro", "status": "active", "limits": {"minutes": minutes}}
        await callgate.api("PUT", f"/organizations/{clients[name]}/plan", plan)
    callgate.service.use_cases.conditions.stored.limits.read_at = float("-inf")
    async with visiting(callgate) as ada:
        assert rows_of(await ok(ada, "/usage?limit=reached")) == ["Cafe"]
        assert rows_of(await ok(ada, "/usage?limit=near")) == ["Bakery"]
        assert rows_of(await ok(ada, "/usage?query=AFE")) == ["Cafe"]
        assert rows_of(await ok(ada, "/usage?query=crm-d")) == ["Diner"]
        assert "No matches" in (await ok(ada, "/usage?query=nothing")).text
        overview = await ok(ada, "")
        assert "/admin/usage?limit=reached" in overview.links
        assert "A limit of the plan is reached: 1 organization." in overview.text


async def test_the_totals_are_those_of_all_whatever_is_searched(callgate: Replica) -> None:
    """A search in the page replaces the list alone, so the same address must not show others."""
    await three_clients(callgate)
    async with visiting(callgate) as ada:
        cards = [
            (await ok(ada, path)).text.partition("Cost")[0].rpartition("Minutes")[2]
            for path in ("/usage", "/usage?query=AFE", "/usage?query=nothing")
        ]
        assert cards == [cards[0]] * 3
        assert "1,035.0" in cards[0]


async def test_live_calls_lead_to_their_rows_in_this_month_alone(callgate: Replica) -> None:
    owner, other = [await callgate.add_organization(name) for name in ("Bakery", "Cafe")]
    for number in range(3):
        await record(callgate.service.pool, new_call(f"{number}", organization_id=UUID(owner)))
    await record(callgate.service.pool, new_call("other", organization_id=UUID(other)))
    async with visiting(callgate) as ada:
        for path in ("/usage", f"/organizations/{owner}"):
            link = f"/calls?live=true&organization_id={owner}"
            shown = await ok(ada, path)
            assert f'<a href="/admin{link.replace("&", "&amp;")}">3 live</a>' in shown.body
            assert await listed(ada, link) == 3
        await use(callgate, owner, 5, at=LAST)
        assert " live" not in (await ok(ada, f"/usage?month={LAST:%Y-%m}")).text


async def test_the_list_is_downloaded_as_it_is_shown(callgate: Replica) -> None:
    await three_clients(callgate)
    await callgate.add_organization("=HYPERLINK(1)")
    async with visiting(callgate, "viewer", "Vic") as vic:
        shown = await ok(vic, "/usage.csv?sort=name&query=e")
        rows = list(csv.DictReader(io.StringIO(shown.body.removeprefix("\ufeff"))))
        assert [row["name"] for row in rows] == ["'=HYPERLINK(1)", "Bakery", "Cafe", "Diner"]
        bakery = rows[1]
        assert (bakery["seconds"], bakery["cost"]) == ("600", "9.5")
        assert bakery["month_before_seconds"] == "24000"
        assert bakery["month"] == f"{NOW:%Y-%m}"
        assert (await vic.get("/usage.csv?month=13")).status == 422


async def test_a_deleted_organization_stays_in_its_months(callgate: Replica) -> None:
    owner = await callgate.add_organization("Gone & co")
    await use(callgate, owner, 5)
    await callgate.api("DELETE", f"/organizations/{owner}")
    async with visiting(callgate) as ada:
        shown = await ok(ada, "/usage")
        assert "Gone & co (deleted)" in shown.text
        assert f"/admin/organizations/{owner}" not in shown.links


@pytest.mark.parametrize("query", ["month=2026-13", "sort=size", "limit=far", "cursor=-1"])
async def test_wrong_filters_are_named_and_all_is_shown(callgate: Replica, query: str) -> None:
    await three_clients(callgate)
    async with visiting(callgate) as ada:
        shown = await ada.get(f"/usage?{query}")
        assert shown.status == 422
        assert f"invalid filters ({query.partition('=')[0]}" in shown.text
        assert len(rows_of(shown)) == 3


async def test_a_long_list_is_shown_in_pieces(callgate: Replica) -> None:
    await callgate.service.pool.execute(
        "INSERT INTO callgate.organizations (name) SELECT 'Client ' || n FROM generate_series(1, 130) n"
    )
    async with visiting(callgate) as ada:
        shown = await ok(ada, "/usage?sort=name")
        assert len(rows_of(shown)) == 100
        assert "130 organizations" in shown.text
        assert "/admin/usage?sort=name&cursor=100" in shown.links
        assert len(rows_of(await ok(ada, "/usage?sort=name&cursor=100"))) == 30


async def test_the_page_of_an_organization_shows_its_usage_and_limits(callgate: Replica) -> None:
    owner = await callgate.add_organization("Bakery", time_zone="Asia/Kolkata")
    limits = {"minutes": 100, "cost": 5, "concurrent_calls": 2}
    plan = {"code": "pro", "status": "active", "limits": limits}
    await callgate.api("PUT", f"/organizations/{owner}/plan", plan)
    await use(callgate, owner, 85, "1.5")
    await use(callgate, owner, 7, at=LAST)
    async with visiting(callgate, "viewer", "Vic") as vic:
        shown = await ok(vic, f"/organizations/{owner}")
        assert "85.0 of 100.0 (85%)" in shown.text
        assert '<progress class="near" value="85"' in shown.body
        assert "$1.50 of $5.00 (30%)" in shown.text
        assert "0 of 2 (0%)" in shown.text
        assert "7.0 last month" in shown.text
        assert "Minutes per day (Asia/Kolkata)" in shown.text


async def test_the_month_is_that_of_the_organization(callgate: Replica) -> None:
    """On the last evening of the month before, in UTC, the month has begun in Auckland."""
    evening = MIDDLE.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=1)
    for name, zone in (("Here", None), ("There", "Pacific/Auckland")):
        owner = await callgate.add_organization(name, time_zone=zone)
        await use(callgate, owner, 5, at=evening)
    async with visiting(callgate) as ada:
        shown = await ok(ada, "/usage.csv?sort=name")
        rows = list(csv.DictReader(io.StringIO(shown.body.removeprefix("\ufeff"))))
        assert [row["seconds"] for row in rows] == ["0", "300"]
        assert [row["month_before_seconds"] for row in rows] == ["300", "0"]
