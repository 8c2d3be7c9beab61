"""`callgate explain` as an operator uses it: what-if, and calls from what was stored of them."""

import asyncio
import json
import subprocess
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest
from aiohttp import web

from policies import AccessRequest, Verdict, abstain, deny
from tests.cli.test_serve import run
from tests.support.chains import put_policy
from tests.support.service import Replica, unused_port

PLAN = '{"code": "pro", "status": "active"}'
ADD = "INSERT INTO callgate.organizations (name, external_id) VALUES ('Bakery', 'b-1') RETURNING id"
ADD_CALL = """
INSERT INTO callgate.calls (vapi_call_id, organization_id, blocked, reason, gate, status, decision)
VALUES ($1, $2, true, 'fair_use_exceeded', 'event', 'failed', $3::text::jsonb)
"""


def ask(dsn: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The command where no service listens."""
    return run("explain", *words, DATABASE_URL=dsn, CALLGATE_PORT=str(unused_port()))


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
    reasons = {one["policy"]: one["reason"] for one in found["trace"]}
    assert (reasons["plan"], reasons["trial"]) == ("plan_active", "already_decided")
    assert found["default"] == {"effect": "skipped", "reason": None}
    assert await connection.fetchval("SELECT count(*) FROM callgate.plans") == 0
    assert await connection.fetchval("SELECT count(*) FROM callgate.audit") == 0
    await connection.close()


class Counting:
    """Denies from the second time on that this process asks it."""

    name = "counting"
    order = 50
    asked = 0

    async def evaluate(self, _request: AccessRequest) -> Verdict:
        self.asked += 1
        return deny("asked_before") if self.asked > 1 else abstain()


async def test_the_running_service_is_asked_if_there_is_one(callgate: Replica, dsn: str) -> None:
    """Its policies have their counts; the token for the question is gone afterwards."""
    pool = callgate.service.core.pool
    await pool.execute(ADD)
    counting = Counting()
    put_policy(callgate.service.access.policies.chain, counting)
    here = {"DATABASE_URL": dsn, "CALLGATE_PORT": callgate.url.rpartition(":")[2]}
    before = await pool.fetchval("SELECT count(*) FROM callgate.audit")

    async def explain(*words: str, **more: str) -> dict[str, Any]:
        done = await asyncio.to_thread(run, "explain", "b-1", "--json", *words, **{**here, **more})
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    first = await explain("--plan", PLAN)
    assert (first["allowed"], first["decided_by"], first["remark"]) == (True, "service", None)
    second = await explain("--plan", PLAN, "--call-type", "webCall")
    assert (second["allowed"], second["reason"]) == (False, "asked_before")
    assert counting.asked == 2
    alone = await explain("--plan", PLAN, CALLGATE_PORT=str(unused_port()))
    assert (alone["allowed"], alone["decided_by"]) == (True, "command")
    assert "no service answers there" in alone["remark"]
    assert await pool.fetchval("SELECT count(*) FROM callgate.api_tokens") == 0
    assert await pool.fetchval("SELECT count(*) FROM callgate.audit") == before


async def test_a_stranger_at_the_address_is_not_believed(dsn: str) -> None:
    """And the token that it got is worth nothing any more."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(ADD)
    tokens = []

    async def answer(request: web.Request) -> web.Response:
        tokens.append(request.headers["Authorization"].removeprefix("Bearer "))
        return web.json_response({"allowed": True})

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    here = {"DATABASE_URL": dsn, "CALLGATE_PORT": str(runner.addresses[0][1])}
    done = await asyncio.to_thread(run, "explain", "b-1", **here)
    await runner.cleanup()
    assert done.returncode == 0, done.stderr
    assert "Bakery: denied" in done.stdout
    assert "its answer is not Callgate's. This command decided by itself" in done.stdout
    assert [token[:3] for token in tokens] == ["cg_"]
    assert await connection.fetchval("SELECT count(*) FROM callgate.api_tokens") == 0
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


class Talkative(Counting):
    """One of many whose notes make a long answer."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    async def evaluate(self, _request: AccessRequest) -> Verdict:
        return abstain(note="x" * 200)


async def test_a_long_answer_of_the_service_is_read_whole(callgate: Replica, dsn: str) -> None:
    pool = callgate.service.core.pool
    await pool.execute(ADD)
    for number in range(600):
        put_policy(callgate.service.access.policies.chain, Talkative(f"talkative_{number}"))
    here = {"DATABASE_URL": dsn, "CALLGATE_PORT": callgate.url.rpartition(":")[2]}
    done = await asyncio.to_thread(run, "explain", "b-1", "--json", **here)
    found = json.loads(done.stdout)
    assert (found["decided_by"], len(found["trace"]) > 600) == ("service", True)
