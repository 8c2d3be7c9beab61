"""What-if over the API: decisions with supposed facts, of which nothing is changed or recorded."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from tests.support.api import ApiClient

PLAN = {"code": "pro", "status": "active"}

ROWS = """
SELECT (SELECT count(*) FROM callgate.audit) + (SELECT count(*) FROM callgate.calls)
    + (SELECT count(*) FROM callgate.entitlement_history)
"""


def ahead(**parts: float) -> str:
    return (datetime.now(UTC) + timedelta(**parts)).isoformat()


async def suppose(api: ApiClient, organization: str, **body: Any) -> Any:
    reply = await api.ask("POST", f"/organizations/{organization}/access", body)
    assert reply.status == 200, reply.body
    return reply.json


async def test_supposed_facts_decide_and_nothing_is_kept(api: ApiClient, pool: Pool) -> None:
    made = await api.organization(attributes={"seats": 1})
    path, stored = f"/organizations/{made['id']}", await api.get(f"/organizations/{made['id']}")
    rows = await pool.fetchval(ROWS)
    viewer = await api.as_role("viewer")
    rows += 1  # the token's entry in the audit log
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "no_plan_or_trial"),
        ({"plan": PLAN}, "plan_active"),
        ({"plan": {**PLAN, "status": "unpaid"}}, "plan_unpaid"),
        ({"trial": {"ends_at": ahead(days=3)}}, "trial_active"),
        ({"trial": {"ends_at": ahead(days=3)}, "at": ahead(days=4)}, "trial_expired"),
        ({"plan": PLAN, "override": {"effect": "deny", "reason": "fraud"}}, "override_deny"),
        ({"plan": PLAN, "override": None, "attributes": None}, "plan_active"),
    ]
    for body, reason in cases:
        assert (await suppose(viewer, made["id"], **body))["reason"] == reason, body
    reply = await viewer.ask("POST", f"{path}/access")
    assert (reply.status, reply.json["reason"]) == (200, "no_plan_or_trial")
    assert await api.get(path) == stored
    assert await pool.fetchval(ROWS) == rows


async def test_null_is_none_and_absent_is_what_is_stored(api: ApiClient) -> None:
    made = await api.organization()
    await api.ask("PUT", f"/organizations/{made['id']}/plan", PLAN)
    await api.ask("PUT", f"/organizations/{made['id']}/trial", {"ends_at": ahead(days=3)})
    assert (await suppose(api, made["id"]))["reason"] == "plan_active"
    assert (await suppose(api, made["id"], plan=None))["reason"] == "trial_active"
    found = await suppose(api, made["id"], plan=None, trial=None)
    assert (found["reason"], found["policy"]) == ("no_plan_or_trial", None)


async def test_the_trace_has_every_policy_and_the_default(api: ApiClient) -> None:
    made = await api.organization()
    found = await suppose(api, made["id"], plan=PLAN)
    assert [(one["policy"], one["effect"], one["reason"]) for one in found["trace"]] == [
        ("admin_override", "abstain", None),
        ("caller_rules", "skipped", "not_configured"),
        ("opening_hours", "skipped", "not_configured"),
        ("quota", "skipped", "not_configured"),
        ("concurrency", "skipped", "not_configured"),
        ("plan", "allow", "plan_active"),
        ("trial", "skipped", "already_decided"),
    ]
    assert found["default"] == {"effect": "skipped", "reason": None}
    found = await suppose(api, made["id"], trial={"ends_at": ahead(days=-1)})
    assert (found["policy"], found["reason"]) == ("trial", "trial_expired")
    assert found["default"] == {"effect": "deny", "reason": "trial_expired"}
    now = await api.get(f"/organizations/{made['id']}/access")
    assert now["default"] == {"effect": "deny", "reason": "no_plan_or_trial"}


async def test_absent_facts_are_those_of_a_past_time(api: ApiClient, pool: Pool) -> None:
    made = await api.organization()
    await api.ask("PUT", f"/organizations/{made['id']}/plan", PLAN)
    then = (await pool.fetchval("SELECT clock_timestamp()")).isoformat()
    await api.ask("DELETE", f"/organizations/{made['id']}/plan")
    assert (await suppose(api, made["id"]))["reason"] == "no_plan_or_trial"
    assert (await suppose(api, made["id"], at=then))["reason"] == "plan_active"
    assert (await suppose(api, made["id"], at=then, plan=None))["reason"] == "no_plan_or_trial"
    trial = {"ends_at": ahead(days=1)}
    found = await suppose(api, made["id"], at=then, plan=None, trial=trial)
    assert found["reason"] == "trial_active", "it is supposed for that time"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"plan": {"code": "pro", "status": "paying"}}, "plan.status"),
        ({"trial": {}}, "trial.ends_at"),
        ({"override": {"effect": "deny"}}, "override.reason"),
        ({"attributes": []}, "attributes"),
        ({"attributes": {"a": "x" * 20_000}}, "attributes"),
        ({"call": {"type": "inbound"}}, "call.type"),
        ({"call": {"caller_number": "555"}}, "call.caller_number"),
        ({"call": {"assistant_id": "a b"}}, "call.assistant_id"),
        ({"call": {"direction": "inbound"}}, "call.direction"),
        ({"at": "yesterday"}, "at"),
        ({"at": "3000-01-01T00:00:00Z"}, "at"),
        ({"phone_number_id": "x"}, "phone_number_id"),
        ({"name": "x"}, "name"),
    ],
)
async def test_what_a_change_would_refuse_is_refused(
    api: ApiClient, body: dict[str, Any], field: str
) -> None:
    made = await api.organization()
    reply = await api.ask("POST", f"/organizations/{made['id']}/access", body)
    assert (reply.status, reply.code) == (422, "invalid_body")
    assert [fault["field"] for fault in reply.json["errors"]] == [field]


@pytest.mark.parametrize(
    "body",
    [
        {"trial": {"starts_at": "2031-02-01T00:00:00Z", "ends_at": "2031-01-01T00:00:00Z"}},
        {
            "override": {
                "effect": "allow",
                "reason": "x",
                "starts_at": "2031-01-01T00:00:00Z",
                "expires_at": "2031-01-01T00:00:00Z",
            }
        },
    ],
)
async def test_a_period_ends_after_it_begins(api: ApiClient, body: dict[str, Any]) -> None:
    made = await api.organization()
    kind = next(iter(body))
    changed = await api.ask("PUT", f"/organizations/{made['id']}/{kind}", body[kind])
    reply = await api.ask("POST", f"/organizations/{made['id']}/access", body)
    assert (reply.status, reply.code, reply.json["detail"]) == (
        *(changed.status, changed.code, changed.json["detail"]),
    )
    assert reply.code == "bad_period"


async def test_only_numbers_of_the_organization_are_asked_about(
    api: ApiClient, vapi: SandboxVapi
) -> None:
    made, other = await api.organization(), await api.organization("Other")
    reply = await api.ask("POST", f"/organizations/{uuid4()}/access", {})
    assert (reply.status, reply.code) == (404, "organization_not_found")
    number = {"organization_id": other["id"], "vapi_phone_number_id": vapi.add_numbers(1)[0]}
    added = (await api.ask("POST", "/phone-numbers", number)).json["id"]
    for number_id, status in ((str(uuid4()), 404), (added, 404)):
        reply = await api.ask(
            "POST", f"/organizations/{made['id']}/access", {"phone_number_id": number_id}
        )
        assert (reply.status, reply.code) == (status, "phone_number_not_found")
    assert (await suppose(api, other["id"], phone_number_id=added))["effect"] == "deny"


async def test_a_key_brings_the_first_answer_again(api: ApiClient) -> None:
    made = await api.organization()
    path, key = f"/organizations/{made['id']}/access", {"Idempotency-Key": str(uuid4())}
    first = await api.ask("POST", path, {}, headers=key)
    await api.ask("PUT", f"/organizations/{made['id']}/plan", PLAN)
    again = await api.ask("POST", path, {}, headers=key)
    assert (again.body, again.headers["Idempotency-Replayed"]) == (first.body, "true")
    assert (await api.ask("POST", path, {"plan": PLAN}, headers=key)).status == 409
    assert (await suppose(api, made["id"]))["reason"] == "plan_active"
