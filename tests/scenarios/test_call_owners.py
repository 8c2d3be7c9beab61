"""A call belongs to its organization: forged messages with the secret against the real ones."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.claims import END, PLAN, Rivals, add_rivals, changed
from tests.support.service import Replica, Start, eventually

CORRECT = """
UPDATE callgate.calls SET organization_id = $2, blocked = false, status = 'in-progress',
    hangup_state = NULL, hangup_due_at = NULL
WHERE vapi_call_id = $1
"""


@pytest.fixture
async def rivals(callgate: Replica, vapi: SandboxVapi) -> Rivals:
    return await add_rivals(vapi, callgate)


async def test_a_forged_first_message_does_not_open_a_blocked_call(rivals: Rivals) -> None:
    call, message = rivals.call(rivals.blocked_number)
    forged = changed(message, rivals.paying_number)
    assert (await rivals.callgate.post(forged)).status == 200
    for kind in ("status-update", "speech-update", "conversation-update"):
        answer = await rivals.callgate.post(changed(message, type=kind))
        assert (answer.status, answer.json["reason"]) == (403, "no_plan_or_trial")
    await rivals.hung_up(call)
    stored = await rivals.owned(call, rivals.blocked)
    assert (stored["blocked"], stored["status"]) == (True, "failed")
    # Vapi has told whose call it is: a denial wins over the other organization's decision.
    assert (await rivals.callgate.post(forged)).status == 403


async def test_a_forged_message_does_not_stop_a_paying_call(rivals: Rivals) -> None:
    call, message = rivals.call(rivals.paying_number)
    assert (await rivals.callgate.post(message)).status == 200
    forged = changed(message, rivals.blocked_number)
    assert (await rivals.callgate.post(forged)).status == 403
    await rivals.settled(call)
    assert (await rivals.callgate.post(message)).status == 200
    assert call.live
    assert rivals.vapi.hangups == []
    assert (await rivals.record(call))["organization_id"] == rivals.paying


async def test_a_forged_first_message_does_not_hang_up_a_paying_call(rivals: Rivals) -> None:
    call, message = rivals.call(rivals.paying_number)
    assert (await rivals.callgate.post(changed(message, rivals.blocked_number))).status == 403
    assert (await rivals.callgate.post(message)).status == 200
    await rivals.settled(call)
    assert (await rivals.callgate.post(message)).status == 200
    assert call.live
    stored = await rivals.owned(call, rivals.paying)
    assert (stored["blocked"], stored["status"], stored["hangup"]) == (False, "in-progress", None)


async def test_while_vapi_does_not_tell_a_denial_wins(rivals: Rivals) -> None:
    call, message = rivals.call(rivals.blocked_number)
    rivals.vapi.fail("GET /call/*", status=500)
    rivals.vapi.fail("POST */control", lie=True)
    assert (await rivals.callgate.post(message)).status == 403
    assert (await rivals.callgate.post(changed(message, rivals.paying_number))).status == 403
    rivals.vapi.faults.clear()
    await rivals.hung_up(call)


@pytest.mark.parametrize("first", [True, False])
async def test_a_forged_end_does_not_stop_the_hang_up(rivals: Rivals, *, first: bool) -> None:
    call, message = rivals.call(rivals.blocked_number)
    if not first:
        rivals.vapi.fail_next("POST */control", lie=True)
        assert (await rivals.callgate.post(message)).status == 403
    assert (await rivals.callgate.post(changed(message, **END))).status == 403
    assert (await rivals.callgate.post(message)).status == 403
    await rivals.hung_up(call)

    async def confirmed() -> Any:
        stored = await rivals.record(call)
        return stored if stored["hangup"]["state"] == "confirmed" else None

    stored = await eventually(confirmed)
    assert stored["ended_reason"] is not None
    assert stored["duration_seconds"] == pytest.approx(call.seconds_connected, abs=1.0)


async def test_a_report_of_another_organization_does_not_touch_the_record(rivals: Rivals) -> None:
    call, message = rivals.call(rivals.paying_number)
    await rivals.callgate.post(message)
    forged = changed(message, rivals.blocked_number, **END, durationSeconds=5, cost=9.0)
    assert (await rivals.callgate.post(forged)).status == 403
    unregistered = rivals.vapi.add_number(provider="vapi")["id"]
    await rivals.callgate.post(changed(message, unregistered, **END, cost=9.0))
    stored = await rivals.record(call)
    assert (stored["status"], stored["ended_at"], stored["cost"]) == ("in-progress", None, None)


async def test_an_end_counts_before_the_replica_has_heard_whose_call_it_is(rivals: Rivals) -> None:
    """Another replica asked Vapi; this one takes the call for another organization's a moment longer."""
    call, message = rivals.call(rivals.paying_number)
    rivals.vapi.fail("GET /call/*", status=500)
    rivals.vapi.fail("POST */control", lie=True)
    assert (await rivals.callgate.post(changed(message, rivals.blocked_number))).status == 403
    assert (await rivals.callgate.post(message)).status == 403
    await rivals.callgate.service.pool.execute(CORRECT, call.id, UUID(rivals.paying))
    await rivals.callgate.post(changed(message, **END, durationSeconds=12.5, cost=0.05))
    stored = await rivals.record(call)
    figures = (stored["status"], stored["duration_seconds"], stored["cost"])
    assert figures == ("ended", 12.5, 0.05)


async def test_senseless_figures_are_dropped_and_the_end_is_kept(rivals: Rivals) -> None:
    call, message = rivals.call(rivals.paying_number)
    await rivals.callgate.post(message)
    wild = changed(message, **END, durationSeconds=9_000_000, cost=999_999_999)
    assert (await rivals.callgate.post(wild)).status == 200
    stored = await rivals.record(call)
    figures = (stored["status"], stored["duration_seconds"], stored["cost"])
    assert figures == ("ended", None, None)
    await rivals.callgate.post(changed(message, **END, durationSeconds=12.5, cost=0.05))
    stored = await rivals.record(call)
    assert (stored["duration_seconds"], stored["cost"]) == (12.5, 0.05)


async def test_vapis_record_replaces_reports(start_replica: Start, vapi: SandboxVapi) -> None:
    """The list of calls reopens a call that a forged report ended, and corrects figures."""
    rivals = await add_rivals(vapi, await start_replica(callgate_call_watch_interval=0.2))
    rivals.callgate.service.access.watch.grace = timedelta(0)
    call, message = rivals.call(rivals.paying_number)
    await rivals.callgate.post(message)
    await rivals.callgate.post(changed(message, **END, durationSeconds=200, cost=5))

    async def state(status: str) -> bool:
        return bool((await rivals.record(call))["status"] == status)

    await eventually(lambda: state("in-progress"))
    vapi.hang_up(call.id)

    async def corrected() -> Any:
        found = await rivals.record(call)
        return found if found["status"] == "ended" and found["cost"] != 5 else None

    stored = await eventually(corrected)
    assert stored["duration_seconds"] == pytest.approx(call.seconds_connected, abs=0.5)
    assert stored["cost"] == pytest.approx(call.cost)
    await rivals.callgate.post(changed(message, **END, durationSeconds=200, cost=5))
    assert (await rivals.record(call))["cost"] == pytest.approx(call.cost)


async def test_the_mismatch_is_shown_with_the_call_and_as_a_condition(rivals: Rivals) -> None:
    call, message = rivals.call(rivals.paying_number)
    await rivals.callgate.post(message)
    await rivals.callgate.post(changed(message, rivals.blocked_number))
    query = "SELECT detail FROM callgate.call_events WHERE vapi_call_id = $1 AND kind = 'claimed'"
    pool = rivals.callgate.service.pool
    detail = await eventually(lambda: pool.fetchval(query, call.id))
    assert (detail["organization_id"], detail["effect"]) == (rivals.blocked, "deny")
    kinds = [one.kind for one in await rivals.callgate.service.use_cases.conditions.read()]
    assert "call_claimed_twice" in kinds


async def test_decisions_per_organization_survive_a_restart(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    """A second replica knows of the first one's decisions only what PostgreSQL keeps."""
    rivals = await add_rivals(vapi, await start_replica(), await start_replica())
    one, two = rivals.replicas
    call, message = rivals.call(rivals.paying_number)
    forged = changed(message, rivals.blocked_number)
    assert (await one.post(message)).status == 200
    denied = await one.post(forged)
    again = await two.post(forged)
    assert (again.status, again.json["decision_id"]) == (403, denied.json["decision_id"])
    assert (await two.post(message)).status == 200
    await rivals.settled(call)
    assert call.live


async def test_a_claim_reaches_the_replica_that_never_saw_it(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    """Only the forged message came to the first replica, and only the real one to the second."""
    rivals = await add_rivals(vapi, await start_replica(), await start_replica())
    one, two = rivals.replicas
    call, message = rivals.call(rivals.blocked_number)
    forged = changed(message, rivals.paying_number)
    assert (await one.post(forged)).status == 200
    assert (await two.post(message)).status == 403
    await rivals.hung_up(call)
    await rivals.owned(call, rivals.blocked)
    for replica in (one, two):
        await eventually(partial(refuses, replica, forged))


async def refuses(replica: Replica, message: Any) -> bool:
    return bool((await replica.post(message)).status == 403)


async def test_a_burst_of_both_makes_one_decision_for_each(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    rivals = await add_rivals(vapi, await start_replica(), await start_replica())
    call, message = rivals.call(rivals.blocked_number)
    forged = changed(message, rivals.paying_number)
    posts = [
        rivals.replicas[index % 2].post((message, forged)[index // 2 % 2]) for index in range(40)
    ]
    answers = await asyncio.gather(*posts)
    real = [answer for index, answer in enumerate(answers) if index // 2 % 2 == 0]
    assert {answer.status for answer in real} == {403}
    assert len({answer.json["decision_id"] for answer in real}) == 1
    await rivals.hung_up(call)
    await rivals.owned(call, rivals.blocked)


async def test_an_assistant_of_another_organization_does_not_end_a_call(rivals: Rivals) -> None:
    call, message = rivals.call(rivals.paying_number)
    await rivals.callgate.post(message)
    assistant = rivals.vapi.add_assistant(name="Theirs")["id"]
    fields = {"assistant_ids": [assistant]}
    await rivals.callgate.api("PATCH", f"/organizations/{rivals.blocked}", fields)
    forged = changed(message, **END, cost=0.5, phoneNumber=None, assistant={"id": assistant})
    forged["message"]["call"] |= {"phoneNumberId": None, "assistantId": assistant}
    forged["message"]["call"].pop("phoneNumber", None)
    assert (await rivals.callgate.post(forged)).status == 200
    stored = await rivals.record(call)
    assert (stored["status"], stored["cost"]) == ("in-progress", None)


@pytest.mark.parametrize("status", ["scheduled", "queued"])
async def test_a_call_that_has_not_begun_is_judged_when_it_begins(
    rivals: Rivals, status: str
) -> None:
    call, message = rivals.call(rivals.blocked_number, type="outboundPhoneCall")
    assert (await rivals.callgate.post(changed(message, status=status))).status == 403
    assert await rivals.record(call) is None
    await rivals.callgate.api("PUT", f"/organizations/{rivals.blocked}/plan", PLAN)
    assert (await rivals.callgate.post(message)).status == 200
    assert call.live


async def test_vapis_list_corrects_a_forged_call_that_sends_no_other_message(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    rivals = await add_rivals(vapi, await start_replica(callgate_call_watch_interval=0.2))
    call, message = rivals.call(rivals.blocked_number)
    assert (await rivals.callgate.post(changed(message, rivals.paying_number))).status == 200
    await rivals.hung_up(call)
    await rivals.owned(call, rivals.blocked)


async def test_a_hang_up_that_was_given_up_starts_again_while_vapi_lists_the_call_as_live(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    rivals = await add_rivals(vapi, await start_replica(callgate_call_watch_interval=0.2))
    call, message = rivals.call(rivals.blocked_number)
    vapi.fail("POST */control", status=500)
    assert (await rivals.callgate.post(message)).status == 403
    pool = rivals.callgate.service.pool
    await eventually(lambda: pool.fetchval("SELECT hangup_attempts FROM callgate.calls"))
    await pool.execute("DELETE FROM callgate.pgqueuer WHERE status = 'queued'")
    await pool.execute("UPDATE callgate.calls SET hangup_state = 'failed'")
    vapi.faults.clear()
    await rivals.hung_up(call)
