"""`callgate explain` as an operator uses it: what-if, and calls from what was stored of them."""

import json
import subprocess
from uuid import uuid4

import asyncpg
import orjson
import pytest

from tests.cli.test_serve import run

PLAN = '{"code": "pro", "status": "active"}'
ADD = "INSERT INTO callgate.organizations (name, external_id) VALUES ('Bakery', 'b-1') RETURNING id"
ADD_CALL = """
INSERT INTO callgate.calls (vapi_call_id, organization_id, blocked, reason, gate, status, decision)
VALUES ($1, $2, true, 'fair_use_exceeded', 'event', 'failed', $3::text::jsonb)
"""


def ask(dsn: str, *words: str) -> subprocess.CompletedProcess[str]:
    return run("explain", *words, DATABASE_URL=dsn)


async def test_facts_can_be_supposed(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(ADD)
    cases = (
        (("--plan", PLAN), "Bakery: allowed, plan_active by plan"),
        (("--plan", PLAN, "--override", '{"effect": "deny", "reason": "x"}'), "override_deny"),
        (("--plan", "null", "--call-type", "webCall"), "Bakery: denied, no_plan_or_trial"),
        (("--trial", '{"ends_at": "2030-01-01T00:00:00Z"}', "--at", "2031-01-01"), "trial_expired"),
    )
    for words, said in cases:
        done = ask(dsn, "b-1", *words)
        assert (done.returncode, done.stderr) == (0, ""), (words, done.stderr)
        assert said in done.stdout, words
    found = json.loads(ask(dsn, "b-1", "--plan", PLAN, "--json").stdout)
    assert (found["allowed"], found["policy"]) == (True, "plan")
    reasons = [one["reason"] for one in found["trace"] if one["reason"] != "not_configured"]
    assert reasons == [None, "plan_active", "already_decided"]
    assert found["default"] == {"effect": "skipped", "reason": None}
    assert await connection.fetchval("SELECT count(*) FROM callgate.plans") == 0
    assert await connection.fetchval("SELECT count(*) FROM callgate.audit") == 0
    await connection.close()


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("b-1", "--plan", '{"code": "pro", "status": "paying"}'), "--plan"),
        (("b-1", "--plan", "{"), "--plan"),
        (("b-1", "--caller", "555"), "--caller"),
        (("b-1", "--call-type", "inbound"), "--call-type"),
        (("b-1", "--number", "x"), "--number"),
        (("b-1", "--call", "c-1"), "--call"),
        (("--call", "c-1", "--plan", "null"), "--call"),
        ((), "--call"),
    ],
)
def test_what_is_not_understood_is_named(words: tuple[str, ...], option: str) -> None:
    done = run("explain", *words)
    assert done.returncode == 2
    assert option in done.stderr


async def test_a_call_is_explained_from_its_record_without_its_policy(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    organization = await connection.fetchval(ADD)
    trace = [
        {"policy": "fair_use", "effect": "deny", "reason": "fair_use_exceeded", "note": "21 of 20"},
        {"policy": "plan", "effect": "skipped"},
    ]
    decision = {
        "id": str(uuid4()),
        "effect": "deny",
        "reason": "fair_use_exceeded",
        "determined_by": "fair_use",
        "basis": "fresh",
        "decided_at": "2026-11-24T09:00:00+00:00",
        "trace": trace,
    }
    vapi_call_id = str(uuid4())
    await connection.execute(ADD_CALL, vapi_call_id, organization, orjson.dumps(decision).decode())
    await connection.close()
    done = ask(dsn, "--call", vapi_call_id.upper())
    assert done.returncode == 0, done.stderr
    line = f"Call {vapi_call_id} of Bakery: denied, fair_use_exceeded by fair_use (at 2026-11-24"
    assert line in done.stdout
    assert "21 of 20" in done.stdout
    found = json.loads(ask(dsn, "--call", vapi_call_id, "--json").stdout)
    assert (found["vapi_call_id"], found["gate"], found["basis"]) == (
        vapi_call_id,
        "event",
        "fresh",
    )
    assert [one["policy"] for one in found["trace"]] == ["fair_use", "plan"]
    assert found["default"]["effect"] == "skipped"
    assert ask(dsn, "--call", str(uuid4())).returncode == 1
