"""Entitlements are kept as they were, and a past instant is decided with the facts of that time."""

from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from service.sandbox.server import SandboxVapi
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


async def test_what_the_history_does_not_tell_is_not_called_none(
    api: ApiClient, pool: Pool
) -> None:
    made = await api.organization()
    path = f"/organizations/{made['id']}"
    times = [await read_clock(pool)]
    for status in ("active", "unpaid"):
        await api.ask("PUT", f"{path}/plan", {"code": "pro", "status": status})
        times.append(await read_clock(pool))
    await api.ask("PUT", f"{path}/override", {"effect": "deny", "reason": "fraud"})
    asked = [f"{path}/history?at={at}" for at in times]
    assert [(await api.get(one))["unknown"] for one in asked] == [[], [], []]
    # As the deletion of what is too old leaves it: of each kind the last entry stays.
    await pool.execute(
        "DELETE FROM callgate.entitlement_history WHERE value ->> 'status' = 'active'"
    )
    found = [await api.get(one) for one in asked]
    assert [one["unknown"] for one in found] == [["plan"], ["plan"], []]
    assert [one["plan"] is None for one in found] == [True, True, False]
    await pool.execute("UPDATE callgate.entitlement_history SET before = NULL, undoes = false")
    assert (await api.get(asked[0]))["unknown"] == ["override", "plan"]


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


async def test_a_past_decision_is_told_with_the_name_number_and_attributes_of_that_time(
    api: ApiClient, pool: Pool, vapi: SandboxVapi
) -> None:
    made = await api.organization(attributes={"seats": 1})
    path, organization_id = f"/organizations/{made['id']}", UUID(made["id"])
    line = {"organization_id": made["id"], "vapi_phone_number_id": vapi.add_numbers(1)[0]}
    number = (await api.ask("POST", "/phone-numbers", {**line, "label": "Desk"})).json["id"]
    then: datetime = await pool.fetchval("SELECT clock_timestamp()")
    await api.ask("PATCH", path, {"name": "Mill", "attributes": {"seats": 2}})
    await api.ask("PATCH", path, {"attributes": {"seats": 3}})
    await api.ask("PATCH", f"/phone-numbers/{number}", {"label": "Shop"})
    cases = api.service.use_cases.organizations
    past = await cases.at_time(await cases.get(organization_id), then)
    assert (past.name, past.attributes) == ("Acme", {"seats": 1})
    assert (await cases.find_number(organization_id, UUID(number), then)).label == "Desk"
    assert (await cases.find_number(organization_id, UUID(number), None)).label == "Shop"
    assert (await api.ask("DELETE", f"/phone-numbers/{number}")).status == 204
    asked = f"{path}/access?phone_number_id={number}"
    assert (await api.ask("GET", asked)).code == "phone_number_not_found"
    assert (await api.ask("GET", f"{asked}&at={quote(then.isoformat())}")).status == 200
