"""The record of a call from whatever arrives: its facts, and what of a report is not believed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from service.store.retention.kept_rows import kept_rows
from service.store.retention.retention import Retention
from tests.support.service import Replica, eventually
from tests.support.visiting import visiting

NEVER = timedelta()
PLAN = {"code": "pro", "status": "active"}
CALLER = "+4915112345678"


def stamp(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


LONG_AGO = datetime.now(UTC).replace(microsecond=0, second=0, minute=0) - timedelta(days=1)


async def paying_number(callgate: Replica, vapi: SandboxVapi) -> tuple[str, Any]:
    """An organization with a plan, and a number of it with its assistant."""
    organization_id = await callgate.add_organization()
    await callgate.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
    assistant = vapi.add_assistant(name="A")
    number = vapi.add_number(provider="vapi", assistantId=assistant["id"], number="+4930123456")
    return organization_id, await callgate.add_number(organization_id, number["id"])


def report_of(message: Any, **fields: object) -> Any:
    """The end-of-call report of a call under way."""
    began = datetime.now(UTC) - timedelta(minutes=2)
    told = {
        "startedAt": stamp(began),
        "endedAt": stamp(began + timedelta(seconds=61)),
        "endedReason": "customer-ended-call",
        "durationSeconds": 61,
        "cost": 0.0625,
        "costBreakdown": {"stt": 0.01, "llm": 0.0525, "total": 0.0625, "llmPromptTokens": 9},
        **fields,
    }
    call = {**message["message"]["call"], "createdAt": stamp(began - timedelta(seconds=9))}
    kept = {"timestamp": int(datetime.now(UTC).timestamp() * 1000), "call": call}
    return {"message": {**message["message"], "type": "end-of-call-report", **kept, **told}}


def message_of(vapi: SandboxVapi, number: Any, **given: Any) -> Any:
    """The first message of a call that began two minutes ago."""
    message = vapi.live_call(number["vapi_phone_number_id"], caller=CALLER, **given)
    message["message"]["timestamp"] -= 125_000
    return message


async def test_a_call_is_recorded_from_its_first_message_and_its_report(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    _, number = await paying_number(callgate, vapi)
    first = message_of(vapi, number, kind="assistant-request")
    call_id = first["message"]["call"]["id"]
    assert (await callgate.post(first)).status == 200
    # An assistant-request is answered from memory; its record is written beside the answer.
    ringing = await eventually(lambda: callgate.call(call_id))
    assert (ringing["direction"], ringing["connected"]) == ("inbound", False)
    assert (ringing["caller_number"], ringing["called_number"]) == (CALLER, "+4930123456")
    report = report_of(first, assistant={"id": "assistant-9"})
    assert (await callgate.post(report)).status == 200
    ended = await callgate.call(call_id)
    assert (ended["connected"], ended["assistant_id"]) == (True, "assistant-9")
    assert (ended["duration_seconds"], ended["cost"]) == (61.0, 0.0625)
    assert ended["cost_parts"] == {"stt": 0.01, "llm": 0.0525}
    assert ended["doubts"] == []
    found = (await callgate.api("GET", "/calls?direction=inbound&refused=false")).json["items"]
    assert [one["vapi_call_id"] for one in found] == [call_id]
    assert (await callgate.api("GET", "/calls?direction=outbound")).json["items"] == []


@pytest.mark.parametrize(
    ("told", "doubts", "recorded"),
    [
        ({"durationSeconds": -5}, ["duration"], {"duration_seconds": 61.0}),
        ({"durationSeconds": 10**9}, ["duration"], {"duration_seconds": 61.0}),
        ({"durationSeconds": 3600}, ["duration"], {"duration_seconds": 61.0}),
        ({"cost": -1, "costBreakdown": None}, ["cost"], {"cost": None}),
        ({"cost": 10**8, "costBreakdown": None}, ["cost"], {"cost": None}),
        ({"costBreakdown": {"llm": -1}}, ["cost_parts"], {"cost": 0.0625, "cost_parts": None}),
        ({"costBreakdown": {"llm": 900}}, ["cost_parts"], {"cost": 0.0625, "cost_parts": None}),
        ({"endedAt": "2020-01-01T00:00:00Z"}, ["ended_at"], {"duration_seconds": 61.0}),
        ({"endedAt": "2070-01-01T00:00:00Z"}, ["ended_at"], {"duration_seconds": 61.0}),
        ({"startedAt": "2020-01-01T00:00:00Z"}, ["started_at"], {"duration_seconds": 61.0}),
        ({"startedAt": stamp(LONG_AGO)}, ["started_at"], {"duration_seconds": 61.0}),
        ({"startedAt": "soon", "endedAt": 7}, ["ended_at", "started_at"], {}),
    ],
)
async def test_what_is_impossible_is_doubted_and_not_believed(
    callgate: Replica,
    vapi: SandboxVapi,
    told: dict[str, Any],
    doubts: list[str],
    recorded: dict[str, Any],
) -> None:
    _, number = await paying_number(callgate, vapi)
    first = message_of(vapi, number)
    assert (await callgate.post(first)).status == 200
    assert (await callgate.post(report_of(first, **told))).status == 200
    call = await callgate.call(first["message"]["call"]["id"])
    assert call["doubts"] == doubts
    assert {name: call[name] for name in recorded} == recorded
    assert call["status"] == "ended"
    assert call["started_at"] <= call["ended_at"] <= stamp(datetime.now(UTC))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("told", "doubts", "seconds"),
    [
        ({"endedAt": stamp(datetime.now(UTC) + timedelta(hours=2))}, ["ended_at"], 61.0),
        ({"startedAt": stamp(datetime.now(UTC) - timedelta(days=3))}, ["started_at"], 61.0),
        ({"startedAt": "2016-04-07T03:33:20Z", "durationSeconds": 1200}, ["started_at"], 1200.0),
    ],
)
async def test_a_wrong_instant_takes_no_duration_away(
    callgate: Replica,
    vapi: SandboxVapi,
    told: dict[str, Any],
    doubts: list[str],
    seconds: float,
    *,
    first: bool,
) -> None:
    _, number = await paying_number(callgate, vapi)
    message = message_of(vapi, number)
    if first:
        message["message"]["timestamp"] -= 1_200_000
        del message["message"]["call"]["createdAt"]
        assert (await callgate.post(message)).status == 200
    report = report_of(message, **told)
    report["message"]["call"].pop("createdAt")
    assert (await callgate.post(report)).status == 200
    call = await callgate.call(message["message"]["call"]["id"])
    assert (call["duration_seconds"], call["doubts"]) == (seconds, doubts)


@pytest.mark.parametrize("created", [True, False])
@pytest.mark.parametrize(
    ("told", "doubts"),
    [
        (
            {"timestamp": 1_460_000_000_000, "startedAt": None, "endedAt": None},
            "ended_at started_at",
        ),
        ({"startedAt": "2016-04-07T03:33:20Z"}, "started_at"),
    ],
)
async def test_a_wrong_clock_moves_no_call_out_of_this_month(
    callgate: Replica, vapi: SandboxVapi, told: dict[str, Any], doubts: str, *, created: bool
) -> None:
    owner, number = await paying_number(callgate, vapi)
    report = report_of(message_of(vapi, number), **told)
    if not created:
        del report["message"]["call"]["createdAt"]
    assert (await callgate.post(report)).status == 200
    call = await callgate.call(report["message"]["call"]["id"])
    assert call["doubts"] == doubts.split()
    lately = stamp(datetime.now(UTC) - timedelta(hours=1))
    assert lately < call["started_at"] <= call["ended_at"]
    usage = (await callgate.api("GET", f"/organizations/{owner}/usage")).json
    assert (usage["calls"], usage["seconds"]) == (1, 61), usage


async def test_a_call_that_only_its_report_tells_of_is_recorded_with_its_doubts(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    _, number = await paying_number(callgate, vapi)
    message = message_of(vapi, number)
    assert (await callgate.post(report_of(message, cost=10**8))).status == 200
    call = await callgate.call(message["message"]["call"]["id"])
    assert (call["status"], call["cost"], call["doubts"]) == ("ended", None, ["cost"])
    assert (call["duration_seconds"], call["connected"]) == (61.0, True)


async def test_a_report_without_a_call_records_nothing(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    _, number = await paying_number(callgate, vapi)
    message = report_of(message_of(vapi, number))
    del message["message"]["call"]
    answer = await callgate.post(message)
    assert (answer.status, answer.json) == (200, {})
    assert (await callgate.api("GET", "/calls")).json["items"] == []


async def test_a_report_of_another_organizations_number_changes_nothing(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    _, number = await paying_number(callgate, vapi)
    _, other = await paying_number(callgate, vapi)
    first = message_of(vapi, number)
    await callgate.post(first)
    secret = (vapi.numbers.find(other["vapi_phone_number_id"]) or {})["server"]["headers"]
    stolen = await callgate.post(report_of(first), secret=secret["X-Vapi-Secret"])
    assert (stolen.status, stolen.json["code"]) == (401, "wrong_organization")
    report = report_of(first, phoneNumber={"id": other["vapi_phone_number_id"]})
    report["message"]["call"]["phoneNumberId"] = other["vapi_phone_number_id"]
    assert (await callgate.post(report)).status < 500
    call = await callgate.call(first["message"]["call"]["id"])
    assert (call["status"], call["duration_seconds"]) == ("in-progress", None)


@pytest.mark.parametrize("deleted", ["number", "organization"])
async def test_a_report_after_the_deletion_ends_the_call_that_is_recorded(
    callgate: Replica, vapi: SandboxVapi, deleted: str
) -> None:
    organization_id, number = await paying_number(callgate, vapi)
    first = message_of(vapi, number)
    stranger = message_of(vapi, number)
    await callgate.post(first)
    assert (await callgate.api("DELETE", f"/phone-numbers/{number['id']}")).status == 204
    if deleted == "organization":
        gone = await callgate.api("DELETE", f"/organizations/{organization_id}")
        assert gone.status == 204, gone.json
    assert (await callgate.post(report_of(first))).status < 500
    call = await callgate.call(first["message"]["call"]["id"])
    assert (call["status"], call["duration_seconds"]) == ("ended", 61.0)
    # A call without a record belongs to no organization any more.
    answer = await callgate.post(report_of(stranger))
    assert (answer.status, answer.json["code"]) == (404, "unknown_phone_number")
    unknown = await callgate.call(stranger["message"]["call"]["id"])
    assert (unknown["organization_id"], unknown["reason"]) == (None, "unknown_phone_number")


async def test_only_admins_see_the_whole_number_of_a_caller(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    _, number = await paying_number(callgate, vapi)
    first = message_of(vapi, number)
    outbound = message_of(vapi, number, type="outboundPhoneCall")
    await callgate.post(first)
    await callgate.post(outbound)
    for role, shown in {
        "viewer": "+49•••••••5678",
        "support": "+49•••••••5678",
        "admin": CALLER,
    }.items():
        token = (await callgate.api("POST", "/tokens", {"name": role, "role": role})).json["token"]
        async with callgate.session.get(
            f"{callgate.url}/api/v1/calls", headers={"Authorization": f"Bearer {token}"}
        ) as response:
            out, inbound = (await response.json())["items"]
        assert (inbound["caller_number"], inbound["called_number"]) == (shown, "+4930123456")
        assert (out["caller_number"], out["called_number"]) == ("+4930123456", shown)


async def test_transcripts_are_kept_only_where_an_organization_asks(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    organization_id, number = await paying_number(callgate, vapi)
    said = {"transcript": "AI: Hello?", "artifact": {"recordingUrl": "https://vapi.test/1.wav"}}

    async def tell() -> str:
        first = message_of(vapi, number)
        await callgate.post(first)
        assert (await callgate.post(report_of(first, **said))).status == 200
        return str((await callgate.call(first["message"]["call"]["id"]))["id"])

    before = await tell()
    handling = {"handling": {"keep_transcripts_days": 7}}
    changed = await callgate.api("PATCH", f"/organizations/{organization_id}", handling)
    assert changed.json["handling"]["keep_transcripts_days"] == 7
    after = await tell()
    alone = report_of(message_of(vapi, number), **said)
    await callgate.post(alone)
    only = (await callgate.call(alone["message"]["call"]["id"]))["id"]
    async with visiting(callgate, "admin", "Ada") as ada:
        assert "Hello?" not in (await ada.get(f"/calls/{before}")).body
        for call in (after, only):
            page = await ada.get(f"/calls/{call}")
            assert "AI: Hello?" in page.text
            assert "https://vapi.test/1.wav" in page.links
    async with visiting(callgate, "support", "Sue") as sue:
        assert "Hello?" not in (await sue.get(f"/calls/{after}")).body
    for days in (0, 366, -1, "x"):
        bad = {"handling": {"keep_transcripts_days": days}}
        answer = await callgate.api("PATCH", f"/organizations/{organization_id}", bad)
        assert answer.status == 422
    pool = callgate.service.pool
    assert await pool.fetchval("SELECT count(*) FROM callgate.call_transcripts") == 2
    await pool.execute("UPDATE callgate.call_transcripts SET expires_at = now()")
    async with visiting(callgate, "admin", "Eve") as eve:
        assert "Hello?" not in (await eve.get(f"/calls/{after}")).body
    (rows,) = [one for one in kept_rows(NEVER, NEVER, NEVER) if one.kind == "transcripts"]
    await Retention(pool, [rows]).delete_rows(rows)
    assert await pool.fetchval("SELECT count(*) FROM callgate.call_transcripts") == 0
