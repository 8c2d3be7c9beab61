"""Entitlements are kept as they were, and a past instant is decided with the facts of that time."""

from datetime import datetime
from urllib.parse import quote

from service.store.pool import Pool
from tests.support.api import ApiClient


async def read_clock(pool: Pool) -> str:
    """The database's time, for a query."""
    found: datetime = await pool.fetchval("SELECT clock_timestamp()")
    return quote(found.isoformat())


async def test_every_state_is_found_again_at_its_time(api: ApiClient, pool: Pool) -> None:
    made = await api.organization()
    path = f"/organizations/{made['id']}"
    times = [await read_clock(pool)]
    plan = {"code": "pro", "status": "active", "as_of": "2026-01-02T00:00:00Z"}
    for step in (
        ("PUT", "plan", {**plan, "limits": {"minutes": 5}}),
        ("PUT", "override", {"effect": "deny", "reason": "fraud"}),
        ("DELETE", "override", None),
        ("PUT", "plan", {"code": "pro", "status": "unpaid"}),
        ("DELETE", "plan", None),
    ):
        method, kind, body = step
        assert (await api.ask(method, f"{path}/{kind}", body)).status == 200
        times.append(await read_clock(pool))
    found = [await api.get(f"{path}/history?at={at}") for at in times]
    assert [(one["plan"] or {}).get("status") for one in found] == [
        *(None, "active", "active", "active", "unpaid", None)
    ]
    assert [one["override"] is not None for one in found] == [i == 2 for i in range(6)]
    assert found[1]["plan"]["limits"] == {"minutes": 5}
    assert found[1]["plan"]["as_of"] == plan["as_of"]
    decided = [(await api.get(f"{path}/access?at={at}"))["reason"] for at in times]
    assert decided == [
        "no_plan_or_trial",
        "plan_active",
        "override_deny",
        "plan_active",
        "plan_unpaid",
        "no_plan_or_trial",
    ]


async def test_the_present_and_the_future_have_the_present_facts(api: ApiClient) -> None:
    made = await api.organization()
    path = f"/organizations/{made['id']}"
    await api.ask("PUT", f"{path}/plan", {"code": "pro", "status": "active"})
    for query in ("", "?at=2999-01-01T00:00:00Z"):
        assert (await api.get(f"{path}/history{query}"))["plan"]["code"] == "pro"
        assert (await api.get(f"{path}/access{query}"))["reason"] == "plan_active"


async def test_the_history_goes_with_its_organization(api: ApiClient, pool: Pool) -> None:
    made = await api.organization()
    path = f"/organizations/{made['id']}"
    await api.ask("PUT", f"{path}/plan", {"code": "pro", "status": "active"})
    assert (await api.ask("DELETE", path)).status == 204
    assert await pool.fetchval("SELECT count(*) FROM callgate.entitlement_history") == 0
