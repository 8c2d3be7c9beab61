"""A control URL that an organization's own secret proves ends its call without a question to Vapi first.

The attacks: a holder of one organization's secret names its own number and another organization's call.
"""

import asyncio
from typing import Any

import pytest

from service.sandbox.calls import SandboxCall
from service.sandbox.server import SandboxVapi
from tests.support.claims import PLAN, Rivals, add_rivals, changed
from tests.support.replies import Reply
from tests.support.service import Replica, Start, eventually
from tests.support.settings import SECRET, secret_of


@pytest.fixture
async def rivals(callgate: Replica, vapi: SandboxVapi) -> Rivals:
    return await add_rivals(vapi, callgate)


async def post(rivals: Rivals, message: Any, replica: int = 0) -> Reply:
    """A message with the secret of the organization without access."""
    return await rivals.replicas[replica].post(message, secret=secret_of(rivals.blocked))


def commands(rivals: Rivals, call: SandboxCall) -> int:
    return sum(one.call_id == call.id for one in rivals.vapi.hangups)


def forge(rivals: Rivals, message: Any, url: str | None) -> Any:
    """A call under the number of the organization without access, with another control URL."""
    forged = changed(message, rivals.blocked_number)
    forged["message"]["call"]["monitor"] = {"controlUrl": url} if url else {}
    return forged


def url_of(message: Any) -> str:
    return str(message["message"]["call"]["monitor"]["controlUrl"])


async def settled(rivals: Rivals, call: SandboxCall) -> None:
    """Wait until no attempt runs and no job waits."""
    attempts = [one.service.access.gate.recorder.attempts for one in rivals.replicas]
    await eventually(lambda: asyncio.sleep(0, not any(one.tasks for one in attempts)))
    await rivals.settled(call)


async def test_a_blocked_call_ends_without_a_question_first(rivals: Rivals) -> None:
    call, message = rivals.call(rivals.blocked_number)
    rivals.vapi.fail("GET /call/*", status=500)
    assert (await post(rivals, message)).status == 403
    await rivals.hung_up(call)
    await eventually(lambda: asyncio.sleep(0, rivals.vapi.requests("GET /call/*")))
    ended = next(one.at for one in rivals.vapi.hangups if one.call_id == call.id)
    assert all(one.at > ended for one in rivals.vapi.requests("GET /call/*"))


async def test_a_command_counts_whose_answer_comes_after_the_end(rivals: Rivals) -> None:
    """Vapi shows the end that the command brought about while its answer is still on the way."""
    call, message = rivals.call(rivals.blocked_number)
    rivals.vapi.fail("POST */control", done=True, stall=3.0)
    assert (await post(rivals, message)).status == 403

    async def confirmed() -> Any:
        found = await rivals.record(call)
        return found["hangup"] if found["hangup"]["state"] == "confirmed" else None

    assert (await eventually(confirmed))["attempts"] == 1


async def test_the_master_secret_proves_no_control_url(rivals: Rivals) -> None:
    call, message = rivals.call(rivals.blocked_number)
    assert (await rivals.callgate.post(message)).status == 403
    await rivals.hung_up(call)
    asked = rivals.vapi.requests("GET /call/*")[0]
    assert all(one.at > asked.at for one in rivals.vapi.hangups)


@pytest.mark.parametrize("own_url", [True, False])
async def test_another_organizations_call_is_not_hung_up(rivals: Rivals, *, own_url: bool) -> None:
    """Forged before the first real message came: with the URL of an own call, or with none."""
    call, message = rivals.call(rivals.paying_number)
    own_call, own_message = rivals.call(rivals.blocked_number)
    forged = forge(rivals, message, url_of(own_message) if own_url else None)
    assert (await post(rivals, forged)).status == 403
    assert (await rivals.callgate.post(message)).status == 200
    await settled(rivals, call)
    assert call.live
    assert commands(rivals, call) == 0
    assert own_call.live is not own_url
    stored = await rivals.owned(call, rivals.paying)
    assert (stored["blocked"], stored["status"], stored["hangup"]) == (False, "in-progress", None)


async def test_a_call_that_is_recorded_for_its_organization_gets_no_command(
    rivals: Rivals,
) -> None:
    """Even the call's own control URL does not help the sender of a claim."""
    call, message = rivals.call(rivals.paying_number)
    assert (await rivals.callgate.post(message)).status == 200
    assert (await post(rivals, forge(rivals, message, url_of(message)))).status == 403
    await settled(rivals, call)
    assert (await rivals.callgate.post(message)).status == 200
    assert call.live
    assert commands(rivals, call) == 0


async def test_the_holder_of_a_control_url_gains_nothing_by_it(rivals: Rivals) -> None:
    """With the control URL of a call its holder could end it directly. The record is corrected."""
    call, message = rivals.call(rivals.paying_number)
    assert (await post(rivals, forge(rivals, message, url_of(message)))).status == 403
    await rivals.hung_up(call)
    stored = await rivals.owned(call, rivals.paying)
    assert (stored["blocked"], stored["hangup"]) == (False, None)


async def test_a_url_of_another_call_does_not_let_a_blocked_call_talk(rivals: Rivals) -> None:
    call, message = rivals.call(rivals.blocked_number)
    _, other = rivals.call(rivals.blocked_number)
    assert (await post(rivals, forge(rivals, message, url_of(other)))).status == 403
    await rivals.hung_up(call)


async def test_with_the_master_secret_vapi_is_asked_while_the_call_is_recorded(
    rivals: Rivals,
) -> None:
    call, message = rivals.call(rivals.blocked_number)
    pool = rivals.callgate.service.pool
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE callgate.call_keys")
        posting = asyncio.create_task(rivals.callgate.post(message))
        await eventually(lambda: asyncio.sleep(0, rivals.vapi.requests("GET /call/*")))
        assert rivals.vapi.hangups == []
    assert (await posting).status == 403
    await rivals.hung_up(call)
    ended = rivals.vapi.hangups[0].at
    assert sum(one.at < ended for one in rivals.vapi.requests("GET /call/*")) == 1


@pytest.mark.parametrize("own_secret", [True, False])
async def test_a_call_that_another_replica_granted_gets_no_command(
    start_replica: Start, vapi: SandboxVapi, *, own_secret: bool
) -> None:
    """Neither the proved control URL nor the answer that was asked for ahead is used."""
    rivals = await add_rivals(vapi, await start_replica(), await start_replica())
    one, two = rivals.replicas
    await one.api("PUT", f"/organizations/{rivals.blocked}/plan", PLAN)
    entries = [replica.service.access.directory.entries for replica in rivals.replicas]

    async def all_know(*, plan: bool) -> None:
        def known() -> bool:
            found = [one for all_ in entries for one in all_.values()]
            mine = [one for one in found if str(one.organization.id) == rivals.blocked]
            return all(bool(one.organization.plan) is plan for one in mine)

        await eventually(lambda: asyncio.sleep(0, known()))

    await all_know(plan=True)
    call, message = rivals.call(rivals.blocked_number)
    assert (await post(rivals, message, 0)).status == 200
    await one.api("DELETE", f"/organizations/{rivals.blocked}/plan")
    await all_know(plan=False)
    secret = secret_of(rivals.blocked) if own_secret else SECRET
    assert (await two.post(message, secret=secret)).status == 200
    await settled(rivals, call)
    assert call.live
    assert vapi.hangups == []
    assert not two.service.access.gate.recorder.attempts.asking
