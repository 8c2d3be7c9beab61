"""Usage over the API: what is counted, in which period and time zone, and what is refused."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.store.pool import Pool
from service.store.usage.folding import UsageFolding
from tests.support.api import ApiClient
from tests.support.calls import new_call, record
from tests.support.database_clock import shift_clock

NOW = datetime.now(UTC)
SUMS = ("calls", "blocked_calls", "seconds", "cost")


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def call(
    api: ApiClient, owner: Any, at: datetime, seconds: float | None = 60.0, **given: Any
) -> None:
    """A call of an organization that began then; over, unless it has no seconds."""
    ended = {} if seconds is None else {"ended_at": at, "duration_seconds": seconds}
    values = {"started_at": at, "organization_id": UUID(owner["id"]), **ended, **given}
    await record(api.service.pool, new_call(str(uuid4()), **values))


def sums_of(found: Any) -> list[Any]:
    return [found[name] for name in SUMS]


async def test_this_month_by_day_without_a_question(api: ApiClient) -> None:
    acme = await api.organization("Acme")
    await call(api, acme, NOW, 61.5, cost=Decimal("0.25"))
    await call(api, acme, NOW, None)
    await call(api, acme, NOW, None, allowed=False)
    await call(api, acme, NOW - timedelta(days=40), 500.0)
    found = await api.get(f"/organizations/{acme['id']}/usage")
    month = NOW.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    assert found["organization_id"] == acme["id"]
    assert instant(found["from"]) == month
    assert instant(found["to"]) == (month + timedelta(days=31)).replace(day=1)
    assert sums_of(found) == [3, 1, 61.5, 0.25]
    assert found["live_calls"] == 1
    days = found["intervals"]
    assert len(days) == (instant(found["to"]) - month).days
    assert [sums_of(day) for day in days if day["calls"]] == [[3, 1, 61.5, 0.25]]
    assert instant(days[NOW.day - 1]["from"]).date() == NOW.date()
    assert days[NOW.day - 1]["calls"] == 3


@pytest.mark.parametrize("folded", [False, True])
async def test_days_and_months_are_those_of_the_time_zone(api: ApiClient, folded: bool) -> None:
    acme = await api.organization("Acme")
    # In Berlin, New Year has begun; in Kolkata it is half past five in the morning.
    await call(api, acme, instant("2025-12-31T23:30:00Z"), 10.0)
    await call(api, acme, instant("2026-01-01T18:15:00Z"), 20.0)
    await call(api, acme, instant("2026-01-01T18:45:00Z"), 40.0)
    if folded:
        await UsageFolding(api.service.pool, after=0.0).fold()
    path = f"/organizations/{acme['id']}/usage?from=2025-12-31T00:00:00Z&to=2026-01-03T00:00:00Z"

    async def seconds(zone: str, interval: str = "day") -> dict[str, float]:
        found = await api.get(f"{path}&interval={interval}&time_zone={zone}")
        assert found["seconds"] == 70.0
        return {part["from"]: part["seconds"] for part in found["intervals"] if part["calls"]}

    assert await seconds("UTC") == {"2025-12-31T00:00:00Z": 10.0, "2026-01-01T00:00:00Z": 60.0}
    assert await seconds("Europe/Berlin") == {"2025-12-31T23:00:00Z": 70.0}
    assert await seconds("Asia/Kolkata") == {
        "2025-12-31T18:30:00Z": 30.0,
        "2026-01-01T18:30:00Z": 40.0,
    }
    assert await seconds("UTC", "month") == {
        "2025-12-31T00:00:00Z": 10.0,
        "2026-01-01T00:00:00Z": 60.0,
    }
    assert await seconds("europe/berlin", "month") == {"2025-12-31T23:00:00Z": 70.0}


@pytest.mark.parametrize("folded", [False, True])
async def test_the_end_is_not_part_of_a_period(api: ApiClient, folded: bool) -> None:
    acme = await api.organization("Acme")
    other = await api.organization("Other")
    await call(api, other, instant("2026-03-10T12:59:59Z"), 1.0)
    for minute in ("11:59:59", "12:00:00", "12:34:56", "13:00:00"):
        await call(api, acme, instant(f"2026-03-10T{minute}Z"), 1.0)
    if folded:
        await UsageFolding(api.service.pool, after=0.0).fold()
    for since, until, calls in [
        ("12:00:00", "13:00:00", 2),
        ("11:59:59", "12:00:00", 1),
        ("12:00:01", "12:34:56", 0),
        ("12:00:01", "12:34:57", 1),
        ("11:59:00", "12:01:00", 2),
        ("11:00:00", "13:00:01", 4),
    ]:
        query = f"from=2026-03-10T{since}Z&to=2026-03-10T{until}Z"
        assert (await api.get(f"/organizations/{acme['id']}/usage?{query}"))["calls"] == calls
        items = (await api.get(f"/usage?{query}"))["items"]
        assert {item["name"]: item["calls"] for item in items} == {
            "Acme": calls,
            "Other": int(since < "12:59:59" < until),
        }


async def test_a_period_without_an_end_or_a_beginning(api: ApiClient) -> None:
    acme = await api.organization("Acme")
    path = f"/organizations/{acme['id']}/usage"
    found = await api.get(f"{path}?to=2026-03-01T00:00:00Z")
    assert (found["from"], found["to"]) == ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z")
    found = await api.get(f"{path}?from=2999-02-10T00:00:00Z")
    assert found["to"] == "2999-03-01T00:00:00Z"
    since = (NOW - timedelta(days=70)).strftime("%Y-%m-%dT00:00:00Z")
    found = await api.get(f"{path}?from={since}")
    assert found["from"] == since
    assert instant(found["to"]) > NOW


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-03-01T00:00:00Z&to=2026-03-01T00:00:00Z", "to"),
        ("from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", "to"),
        ("from=2000-01-01T00:00:00Z&to=2026-03-01T00:00:00Z", "to"),
        ("from=yesterday", "from"),
        ("to=2026-03-01", "to"),
        ("from=2026-03-01T00:00:00", "from"),
        ("time_zone=Mars/Olympus", "time_zone"),
        ("time_zone=", "time_zone"),
        ("time_zone=../../etc/passwd", "time_zone"),
        ("interval=hour", "interval"),
        ("until=2026-03-01T00:00:00Z", "until"),
    ],
)
async def test_what_cannot_be_summed_up_is_refused_by_name(
    api: ApiClient, query: str, field: str
) -> None:
    acme = await api.organization("Acme")
    reply = await api.ask("GET", f"/organizations/{acme['id']}/usage?{query}")
    assert reply.status == 422
    assert [fault["field"] for fault in reply.json["errors"]] == [field]
    if field in ("from", "to") and "2000" not in query:
        for path in ("/usage", "/usage/export"):
            reply = await api.ask("GET", f"{path}?{query}")
            assert reply.status == 422
            assert [fault["field"] for fault in reply.json["errors"]] == [field]


async def test_an_unknown_organization_has_no_usage(api: ApiClient) -> None:
    reply = await api.ask("GET", f"/organizations/{uuid4()}/usage")
    assert (reply.status, reply.json["code"]) == (404, "organization_not_found")
    acme = await api.organization("Acme", external_id="crm-1")
    found = await api.get("/organizations/external_id:crm-1/usage")
    assert found["organization_id"] == acme["id"]


async def test_the_list_has_the_largest_first_in_pages(api: ApiClient) -> None:
    for number, seconds in enumerate((5.5, 0.0, 30.25, 30.25, 7.0)):
        owner = await api.organization(f"Client {number}")
        await call(api, owner, NOW, seconds)
    await api.organization("Idle")
    found, query = [], "?limit=2"
    while True:
        page = await api.get(f"/usage{query}")
        found += page["items"]
        if page["next_cursor"] is None:
            break
        query = f"?limit=2&cursor={page['next_cursor']}"
    assert [item["seconds"] for item in found] == [30.25, 30.25, 7.0, 5.5, 0.0, 0.0]
    assert [item["name"] for item in found[2:]] == ["Client 4", "Client 0", "Client 1", "Idle"]
    assert len({item["organization_id"] for item in found}) == 6
    assert set(found[0]) == {
        "organization_id",
        "name",
        "external_id",
        "from",
        "to",
        "live_calls",
        *SUMS,
    }
    reply = await api.ask("GET", "/usage?cursor=WyJhIl0=")
    assert (reply.status, reply.json["code"]) == (422, "invalid_cursor")


async def test_a_list_over_the_end_of_a_month_is_of_one_month(api: ApiClient, pool: Pool) -> None:
    for name in ("One", "Two"):
        await call(api, await api.organization(name), NOW, 60.0)
    first = await api.get("/usage?limit=1")
    await shift_clock(pool, timedelta(days=40).total_seconds())
    await api.service.pool.expire_connections()
    (last,) = (await api.get(f"/usage?limit=1&cursor={first['next_cursor']}"))["items"]
    assert (last["calls"], last["from"]) == (1, first["items"][0]["from"])
    assert (await api.get("/usage?limit=1"))["items"][0]["from"] != last["from"]


async def test_a_deleted_organization_keeps_its_usage_and_its_name(api: ApiClient) -> None:
    gone, idle = await api.organization("Gone"), await api.organization("Idle")
    await call(api, gone, NOW, 9.0)
    for one in (gone, idle):
        assert (await api.ask("DELETE", f"/organizations/{one['id']}")).status == 204
    (item,) = (await api.get("/usage"))["items"]
    assert (item["organization_id"], item["name"], item["seconds"]) == (gone["id"], "Gone", 9.0)


async def test_the_list_is_downloaded_whole_and_runs_no_formula(api: ApiClient) -> None:
    evil = await api.organization("=cmd|'/c calc'!A0", external_id="+1")
    await call(api, evil, NOW, 61.5, cost=Decimal("0.10"))
    await api.organization("Zoë, & Söhne")
    reply = await api.ask("GET", "/usage/export")
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "usage.csv" in reply.headers["Content-Disposition"]
    one, two = csv.DictReader(io.StringIO(reply.body.decode()))
    assert (one["name"], one["external_id"]) == ("'=cmd|'/c calc'!A0", "'+1")
    assert (one["seconds"], one["cost"], one["calls"]) == ("61.5", "0.10", "1")
    assert (two["name"], two["external_id"]) == ("Zoë, & Söhne", "")
    lines = (await api.ask("GET", "/usage/export?format=jsonl")).body.splitlines()
    assert [json.loads(line)["name"] for line in lines] == [evil["name"], "Zoë, & Söhne"]
    assert json.loads(lines[0])["seconds"] == 61.5
    assert (await api.ask("GET", "/usage/export?format=xls")).status == 422


async def test_a_download_of_nothing_has_its_header_row(api: ApiClient) -> None:
    assert (await api.ask("GET", "/usage/export")).body.decode().strip() == (
        "organization_id,name,external_id,from,to,calls,blocked_calls,seconds,cost,live_calls"
    )
    assert (await api.ask("GET", "/usage/export?format=jsonl")).body == b""


async def test_a_token_of_another_scope_reads_no_usage(api: ApiClient) -> None:
    token = await api.issue_token("viewer", scopes=["calls"])
    assert (await api.with_token(token["token"]).ask("GET", "/usage")).status == 403
    token = await api.issue_token("viewer", scopes=["usage"])
    assert (await api.with_token(token["token"]).ask("GET", "/usage")).status == 200


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"minutes": -1}, "limits.minutes"),
        ({"minutes": "many"}, "limits.minutes"),
        ({"minutes": True}, "limits.minutes"),
        ({"cost": 1e13}, "limits.cost"),
        ({"concurrent_calls": 1.5}, "limits.concurrent_calls"),
        ({"seconds": 5}, "limits.seconds"),
        ([], "limits"),
    ],
)
async def test_limits_of_a_plan_are_checked(api: ApiClient, limits: Any, field: str) -> None:
    acme = await api.organization("Acme")
    plan = {"code": "pro", "status": "active", "limits": limits}
    reply = await api.ask("PUT", f"/organizations/{acme['id']}/plan", plan)
    assert reply.status == 422
    assert [fault["field"] for fault in reply.json["errors"]] == [field]
