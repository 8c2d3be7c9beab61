"""A caller who asks for it is removed from all records; the calls and their sums stay."""

import asyncio
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from service.admin.actor import Actor
from service.domain.relay.messages import KeptMessage
from service.sandbox.server import SandboxVapi
from service.store.calls.spool import Entry, encode
from service.store.relay.spool import RelaySpool
from tests.scenarios.test_call_records import CALLER, message_of, paying_number, report_of
from tests.store.calls.test_spool import blocked_call
from tests.support.service import Replica
from tests.support.visiting import visiting

OTHER = "+4915112349999"
SPOKEN = {"artifact": {"transcript": "Hello.", "recordingUrl": "https://storage.vapi.ai/r.wav"}}

KEEP_MESSAGE = """
INSERT INTO callgate.relay_messages (organization_id, webhook_id, vapi_call_id, type, content_type, body,
    size, received_at, due_at)
VALUES ($1, 'msg_' || $2, $2, 'end-of-call-report', 'application/json', '\\x7b7d', 2, now(), now())
"""
# As the relay has it, for a schema without it.
RELAY = """
CREATE TABLE IF NOT EXISTS callgate.relay_messages (organization_id uuid, webhook_id text,
    vapi_call_id text, type text, content_type text, body bytea, size integer,
    received_at timestamptz, due_at timestamptz)
"""

EVERYTHING = """
SELECT string_agg(found, ' ') FROM (
    SELECT to_jsonb(t)::text FROM callgate.calls t UNION ALL
    SELECT to_jsonb(t)::text FROM callgate.call_claims t UNION ALL
    SELECT to_jsonb(t)::text FROM callgate.call_events t UNION ALL
    SELECT to_jsonb(t)::text FROM callgate.call_transcripts t UNION ALL
    SELECT to_jsonb(t)::text FROM callgate.audit t UNION ALL
    SELECT to_jsonb(t)::text FROM callgate.idempotency_keys t) rows (found)
"""


async def end_call(callgate: Replica, vapi: SandboxVapi, number: Any, caller: str) -> Any:
    """The messages of a call of a caller, from its beginning to its report."""
    first = message_of(vapi, number)
    first["message"]["call"]["customer"] = {"number": caller}
    first["message"]["customer"] = {"number": caller}
    assert (await callgate.post(first)).status == 200
    report = report_of(first, **SPOKEN)
    assert (await callgate.post(report)).status == 200
    return report


@pytest.fixture
async def reports(callgate: Replica, vapi: SandboxVapi) -> list[Any]:
    """The reports of two calls of one caller, then of one of another; transcripts are kept."""
    owner, number = await paying_number(callgate, vapi)
    body = {"handling": {"keep_transcripts_days": 30}}
    await callgate.api("PATCH", f"/organizations/{owner}", body)
    return [await end_call(callgate, vapi, number, who) for who in (CALLER, CALLER, OTHER)]


def call_id_of(report: Any) -> str:
    return str(report["message"]["call"]["id"])


async def figures(callgate: Replica) -> Any:
    return await callgate.service.pool.fetch(
        "SELECT count(*), sum(duration_seconds), sum(cost), bool_and(connected) FROM callgate.calls"
    )


async def test_a_caller_is_forgotten_and_the_sums_stay(
    callgate: Replica, reports: list[Any]
) -> None:
    pool = callgate.service.pool
    before = await figures(callgate)
    await pool.execute(
        "UPDATE callgate.calls SET decision = jsonb_set("
        "decision, '{trace,0,reason}', to_jsonb('called by ' || $1)) WHERE customer_number = $1",
        CALLER,
    )
    body = {"number": " +49 151 12345678 ", "dry_run": True}
    counted = await callgate.api("POST", "/calls/forget", body)
    assert counted.status == 200, counted.json
    expected = {"calls": 2, "transcripts": 2, "messages": 0, "rejected": 0, "waiting": 0}
    assert counted.json == {"dry_run": True, **expected}
    assert CALLER in await pool.fetchval(EVERYTHING)
    removed = await callgate.api("POST", "/calls/forget", {**body, "dry_run": False})
    assert removed.json == {"dry_run": False, **expected}
    # A report that Vapi repeats, and a new look at Vapi's record, bring nothing back.
    for report in reports:
        assert (await callgate.post(report)).status == 200
    words = await pool.fetch("SELECT vapi_call_id FROM callgate.call_transcripts")
    assert [row[0] for row in words] == [call_id_of(reports[2])]
    left = await pool.fetchval(EVERYTHING)
    assert CALLER not in left
    assert CALLER[1:] not in left
    assert OTHER in left
    assert await figures(callgate) == before
    call = await callgate.call(call_id_of(reports[0]))
    assert (call["caller_number"], call["called_number"]) == (None, "+4930123456")
    assert (await callgate.call(call_id_of(reports[2])))["caller_number"] == OTHER
    again = await callgate.api("POST", "/calls/forget", body)
    assert again.json["calls"] == 0


async def test_the_audit_names_the_caller_by_a_keyed_fingerprint(
    callgate: Replica, reports: list[Any]
) -> None:
    assert reports
    assert (await callgate.api("POST", "/calls/forget", {"number": CALLER})).status == 200
    (entry,) = (await callgate.api("GET", "/audit?action=caller.forgotten")).json["items"]
    assert entry["object_id"] == callgate.service.use_cases.callers.fingerprint(CALLER)
    assert entry["after"]["calls"] == 2
    assert CALLER[1:] not in orjson.dumps(entry).decode()


async def test_only_admins_forget_and_only_a_number(callgate: Replica, reports: list[Any]) -> None:
    assert reports
    made = await callgate.api("POST", "/tokens", {"name": "help", "role": "support"})
    body = {"number": CALLER, "dry_run": True}
    assert (
        await callgate.api("POST", "/calls/forget", body, token=made.json["token"])
    ).status == 403
    for bad in ({}, {"number": ""}, {"number": " "}, {"number": 7}, {"number": CALLER, "x": 1}):
        assert (await callgate.api("POST", "/calls/forget", bad)).status == 422, bad


async def test_an_admin_forgets_in_the_panel(callgate: Replica, reports: list[Any]) -> None:
    call = await callgate.call(call_id_of(reports[0]))
    path = f"/calls/{call['id']}/forget"
    async with visiting(callgate, "viewer", "Vic") as vic:
        assert (await vic.get(path)).status == 403
        assert (await vic.post(path)).status == 403
    async with visiting(callgate) as ada:
        assert path in " ".join((await ada.get(f"/calls/{call['id']}")).links)
        asked = await ada.get(path)
        assert CALLER in asked.text
        assert "Calls with the number 2" in asked.text
        done = await ada.post(path)
        assert "The caller was removed from 2 calls." in done.text
        assert CALLER not in done.text
        assert "Forget this caller" not in done.text
        assert (await ada.get(path)).status == 404
        audit = await ada.get("/audit")
    assert "Removed a caller's number from 2 calls" in audit.text
    assert CALLER not in audit.text


async def test_messages_for_a_server_go_too(
    callgate: Replica, reports: list[Any], dsn: str
) -> None:
    from tests.support.database import execute

    await execute(dsn, RELAY)
    owner = (await callgate.call(call_id_of(reports[0])))["organization_id"]
    await execute(dsn, "GRANT ALL ON callgate.relay_messages TO callgate_app")
    for report in reports:
        await callgate.service.pool.execute(KEEP_MESSAGE, owner, call_id_of(report))
    removed = await callgate.api("POST", "/calls/forget", {"number": CALLER})
    assert removed.json["messages"] == 2
    rows = await callgate.service.pool.fetch("SELECT vapi_call_id FROM callgate.relay_messages")
    assert [row[0] for row in rows] == [call_id_of(reports[2])]


@pytest.mark.parametrize("caller", ["anonymous", "+266696687", "100"])
async def test_callers_who_withhold_their_number_are_not_forgotten_together(
    callgate: Replica, vapi: SandboxVapi, reports: list[Any], caller: str
) -> None:
    assert reports
    owner, number = await paying_number(callgate, vapi)
    body = {"handling": {"keep_transcripts_days": 30}}
    await callgate.api("PATCH", f"/organizations/{owner}", body)
    call = await callgate.call(call_id_of(await end_call(callgate, vapi, number, caller)))
    for dry_run in (True, False):
        asked = {"number": caller, "dry_run": dry_run}
        answer = await callgate.api("POST", "/calls/forget", asked)
        assert (answer.status, answer.json["field"]) == (422, "number"), answer.json
    async with visiting(callgate) as ada:
        path = f"/calls/{call['id']}"
        assert "Forget this caller" not in (await ada.get(path)).text
        for shown in (await ada.get(f"{path}/forget"), await ada.post(f"{path}/forget")):
            assert (shown.status, "names no single caller" in shown.text) == (422, True), shown.text
    pool = callgate.service.pool
    assert await pool.fetchval("SELECT count(*) FROM callgate.call_transcripts") == 4
    assert (await callgate.call(call["vapi_call_id"]))["caller_number"] == caller


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


async def test_rejected_records_on_disk_lose_the_number(
    callgate: Replica, reports: list[Any]
) -> None:
    assert reports
    folder: Path = callgate.service.settings.callgate_data_dir / "spool"
    line = encode(Entry(call=blocked_call("odd"))).replace(
        b'"customer_number":null', b'"customer_number":"%s"' % CALLER.encode()
    )
    assert CALLER.encode() in line
    await asyncio.to_thread(write, folder / "refused", line * 2)
    removed = await callgate.api("POST", "/calls/forget", {"number": CALLER})
    assert removed.json["rejected"] == 2
    kept = await asyncio.to_thread((folder / "refused").read_bytes)
    assert CALLER.encode() not in kept
    assert [orjson.loads(one)["call"]["vapi_call_id"] for one in kept.splitlines()] == [
        "odd",
        "odd",
    ]


async def test_messages_that_wait_on_disk_are_named_as_not_forgotten(
    callgate: Replica, reports: list[Any]
) -> None:
    folder: Path = callgate.service.settings.callgate_data_dir / "relay-spool"
    owner = UUID((await callgate.call(call_id_of(reports[0])))["organization_id"])
    other = RelaySpool(folder, callgate.service.pool, 10**6, lambda: datetime.now(UTC))
    for place, report in enumerate((reports[0], reports[2])):
        body = orjson.dumps(report)
        kind = "application/json"
        await other.keep(KeptMessage(owner, f"m{place}", call_id_of(report), "hang", kind, body))
    callers = replace(callgate.service.use_cases.callers, wait_seconds=0.1)
    forgotten = await callers.forget(Actor("Ada", "admin", "cli"), CALLER)
    assert (forgotten.calls, forgotten.messages, forgotten.waiting) == (2, 0, 1)
    (entry,) = (await callgate.api("GET", "/audit?action=caller.forgotten")).json["items"]
    assert entry["after"]["waiting"] == 1
    async with visiting(callgate) as ada:
        assert "1 on the way to PostgreSQL not forgotten yet" in (await ada.get("/audit")).text
    await other.drain()
    other.close()
    kept = await callgate.service.pool.fetch("SELECT vapi_call_id FROM callgate.relay_messages")
    assert [row[0] for row in kept] == [call_id_of(reports[2])]
    again = await callgate.api("POST", "/calls/forget", {"number": CALLER})
    assert (again.json["calls"], again.json["waiting"]) == (0, 0)


async def test_the_command_counts_first(callgate: Replica, reports: list[Any], dsn: str) -> None:
    assert reports

    async def run(*options: str, number: str = CALLER) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", "calls", "forget", number, *options),
            env={
                **os.environ,
                "DATABASE_URL": dsn,
                "CALLGATE_DATA_DIR": str(callgate.service.settings.callgate_data_dir),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        return process.returncode or 0, out.decode()

    code, text = await run()
    assert (code, "Nothing was changed" in text, "number: 2" in text) == (0, True, True), text
    code, text = await run("--yes", "--json")
    assert code == 0, text
    assert orjson.loads(text[text.index("{") :])["calls"] == 2
    code, text = await run()
    assert (code, "number: 0" in text) == (0, True)
    code, text = await run("--yes", number="Restricted")
    assert (code, "names no single caller" in text) == (1, True), text
