"""What is only read: calls, the chain, the audit log."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

from policies.contract import Effect
from service.domain.calls import CallEnd, HangupState, NewCall
from service.domain.decisions import Decision, TraceEntry
from service.store.calls.hangups import record_hangup
from service.store.calls.records import record_calls, record_end
from tests.support.api import ApiClient

STARTED = datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC)
CONTROL_URL = "https://call.vapi.ai/secret/control"


def new_call(call_id: str, organization_id: str | None, *, allowed: bool) -> NewCall:
    effect = Effect.ALLOW if allowed else Effect.DENY
    return NewCall(
        vapi_call_id=call_id,
        organization_id=UUID(organization_id) if organization_id else None,
        phone_number_id=uuid4(),
        vapi_phone_number_id="pn",
        type="inboundPhoneCall",
        gate="event",
        decision=Decision(
            id=uuid4(),
            effect=effect,
            reason="plan_active" if allowed else "trial_expired",
            determined_by="plan" if allowed else "trial",
            basis="fresh",
            trace=(TraceEntry("plan", effect.value, "x", None, 0.25),),
            decided_at=STARTED,
        ),
        started_at=STARTED,
        control_url=CONTROL_URL,
        hangup_after_seconds=None if allowed else 0.0,
    )


async def record(api: ApiClient, *calls: NewCall) -> None:
    async with api.service.pool.acquire() as connection:
        await record_calls(connection, list(calls))


async def test_a_blocked_call_is_told_in_full_without_its_control_url(api: ApiClient) -> None:
    call = new_call("call-1", str(uuid4()), allowed=False)
    await record(api, call)
    await record_hangup(api.service.pool, "call-1", HangupState.CONFIRMED, 2)
    await record_end(
        api.service.pool,
        CallEnd("call-1", STARTED + timedelta(seconds=9), "hung-up", 9.5, Decimal("0.0394")),
    )
    reply = await api.ask("GET", "/calls?vapi_call_id=call-1")
    assert CONTROL_URL.encode() not in reply.body
    assert reply.json["next_cursor"] is None
    (found,) = reply.json["items"]
    assert await api.get(f"/calls/{found['id']}") == found
    del found["id"]
    assert found == {
        "vapi_call_id": "call-1",
        "organization_id": str(call.organization_id),
        "phone_number_id": str(call.phone_number_id),
        "type": "inboundPhoneCall",
        "status": "failed",
        "blocked": True,
        "reason": "trial_expired",
        "gate": "event",
        "hangup": {"state": "confirmed", "attempts": 2},
        "decision": {
            "id": str(call.decision.id),
            "effect": "deny",
            "determined_by": "trial",
            "reason": "trial_expired",
            "basis": "fresh",
            "trace": [
                {
                    "policy": "plan",
                    "effect": "deny",
                    "reason": "x",
                    "counted_as": None,
                    "duration_ms": 0.25,
                }
            ],
        },
        "started_at": "2026-11-01T12:00:00.123456Z",
        "ended_at": "2026-11-01T12:00:09.123456Z",
        "ended_reason": "hung-up",
        "duration_seconds": 9.5,
        "cost": 0.0394,
        "lived_seconds": found["lived_seconds"],
        "cut_at": None,
        "cut_reason": None,
        "missed": False,
    }


async def test_a_call_that_goes_on_has_no_hangup_and_no_end(api: ApiClient) -> None:
    await record(api, new_call("call-1", str(uuid4()), allowed=True))
    (found,) = (await api.get("/calls"))["items"]
    assert (found["status"], found["blocked"], found["hangup"]) == ("in-progress", False, None)
    assert found["ended_at"] is found["ended_reason"] is found["duration_seconds"] is None


async def test_calls_are_filtered_newest_first_and_paged(api: ApiClient) -> None:
    one, two = str(uuid4()), str(uuid4())
    expected: list[tuple[str, str, bool]] = []
    for number in range(12):
        organization = one if number % 3 else two
        allowed = bool(number % 2)
        await record(api, new_call(f"call-{number}", organization, allowed=allowed))
        expected.insert(0, (f"call-{number}", organization, not allowed))

    async def seen(query: str) -> list[str]:
        found: list[str] = []
        cursor = ""
        while True:
            page = await api.get(f"/calls?limit=2{query}{cursor}")
            found += [item["vapi_call_id"] for item in page["items"]]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    assert await seen("") == [call for call, _, _ in expected]
    for blocked in (True, False):
        word = str(blocked).lower()
        assert await seen(f"&blocked={word}") == [c for c, _, b in expected if b is blocked]
        assert await seen(f"&blocked={word}&organization_id={one}") == [
            c for c, o, b in expected if b is blocked and o == one
        ]
    assert await seen(f"&organization_id={two}") == [c for c, o, _ in expected if o == two]
    assert await seen(f"&vapi_call_id=call-0&organization_id={two}&blocked=true") == ["call-0"]
    assert await seen(f"&vapi_call_id=call-0&organization_id={one}") == []
    assert await seen("&vapi_call_id=call-0&blocked=false") == []
    assert await seen("&vapi_call_id=nobody") == []


async def test_calls_of_one_batch_are_all_listed_once(api: ApiClient) -> None:
    """They share the instant of their transaction."""
    ids = {f"call-{number}" for number in range(9)}
    await record(api, *(new_call(call_id, None, allowed=False) for call_id in sorted(ids)))
    seen: list[str] = []
    cursor = ""
    while True:
        page = await api.get(f"/calls?limit=4{cursor}")
        seen += [item["vapi_call_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) == 9
    assert set(seen) == ids


async def test_the_chain_is_listed_in_its_order(api: ApiClient) -> None:
    page = await api.get("/policies")
    assert page["next_cursor"] is None
    assert [(item["name"], item["order"], item["plugin"]) for item in page["items"]] == [
        ("admin_override", 0, "callgate"),
        ("plan", 100, "callgate"),
        ("trial", 200, "callgate"),
    ]
    assert {item["mode"] for item in page["items"]} == {"enforce"}
    assert all(item["version"] for item in page["items"])
    first = await api.get("/policies?limit=2")
    assert first["items"] == page["items"][:2]
    rest = await api.get(f"/policies?limit=2&cursor={first['next_cursor']}")
    assert (rest["items"], rest["next_cursor"]) == (page["items"][2:], None)


async def test_every_change_says_who_what_before_after_when_and_whence(api: ApiClient) -> None:
    made = await api.organization("Old", attributes={"a": 1})
    path = f"/organizations/{made['id']}"
    await api.ask("PATCH", path, {"name": "New"})
    await api.ask("PUT", f"{path}/plan", {"code": "pro", "status": "active"})
    await api.ask("PUT", f"{path}/plan", {"code": "pro", "status": "active"})
    await api.ask("DELETE", f"{path}/trial")
    await api.ask("DELETE", path)
    entries = await api.audit(made["id"])
    assert [entry["action"] for entry in entries] == [
        "organization.deleted",
        "plan.put",
        "organization.changed",
        "organization.created",
    ]
    for entry in entries:
        assert (entry["actor"], entry["source"]) == ("admin-token", "api")
        assert (entry["object_type"], entry["object_id"]) == ("organization", made["id"])
        assert datetime.now(UTC) - datetime.fromisoformat(entry["at"]) < timedelta(minutes=1)
    deleted, plan, changed, created = entries
    assert created["before"] is None
    assert (created["after"]["name"], created["after"]["attributes"]) == ("Old", {"a": 1})
    assert (changed["before"], changed["after"]) == ({"name": "Old"}, {"name": "New"})
    assert plan["before"] == {"plan": None}
    assert plan["after"]["plan"]["status"] == "active"
    assert (deleted["before"]["name"], deleted["after"]) == ("New", None)


async def test_the_audit_is_filtered_and_paged_newest_first(api: ApiClient) -> None:
    for number in range(5):
        await api.organization(f"org {number}")
    support = await api.as_role("admin")
    await support.ask("POST", "/organizations", {"name": "by another"})
    seen: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await api.get(f"/audit?object_type=organization&limit=2{cursor}")
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert [entry["after"]["name"] for entry in seen] == [
        "by another",
        *(f"org {number}" for number in reversed(range(5))),
    ]
    page = await api.get("/audit?actor=token%3Aa%20admin")
    assert [entry["after"]["name"] for entry in page["items"]] == ["by another"]
    assert (await api.get("/audit?object_type=nothing"))["items"] == []


@pytest.mark.parametrize(
    "statement", ["UPDATE callgate.audit SET actor = 'x'", "DELETE FROM callgate.audit"]
)
async def test_the_audit_is_append_only(api: ApiClient, statement: str) -> None:
    await api.organization()
    with pytest.raises(Exception, match="append-only"):
        await api.service.pool.execute(statement)


async def test_the_audit_is_filtered_by_source_action_and_period(api: ApiClient) -> None:
    made = await api.organization("Acme")
    await api.ask("PUT", f"/organizations/{made['id']}/plan", {"code": "pro", "status": "active"})
    (entry,) = (await api.get("/audit?action=plan.put"))["items"]
    assert (entry["source"], entry["undoes"], entry["undone_by"]) == ("api", None, None)
    for query, count in (
        ("source=api&action=plan.put", 1),
        ("source=web", 0),
        (f"since={quote(entry['at'])}&object_id={made['id']}", 1),
        (f"until={quote(entry['at'])}&object_id={made['id']}", 1),
        ("until=2020-01-01T00:00:00Z", 0),
    ):
        assert len((await api.get(f"/audit?{query}"))["items"]) == count, query
    assert (await api.ask("GET", "/audit?since=yesterday")).code == "invalid_query"


async def test_policies_tell_how_they_do(api: ApiClient) -> None:
    before = {one["name"]: one["health"] for one in (await api.get("/policies"))["items"]}
    await api.organization("Acme")
    page = await api.get("/policies")
    after = page["items"]
    assert page["problems"] == []
    for policy in after:
        health = policy["health"]
        assert health["asked"] > before[policy["name"]]["asked"]
        assert (health["failed"], health["suspended"], health["last_failure"]) == (0, False, None)
    assert [one["veto"] for one in after] == [True, False, False]
