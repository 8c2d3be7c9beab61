"""The ring gate over real HTTP: Vapi itself blocks while an organization has no access, and a number
that has access is never left with our hook."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, Start, eventually

THEIRS = {"on": "call.ringing", "do": [{"type": "say", "exact": "Welcome to the bakery!"}]}
PLAN = {"code": "pro", "status": "active"}
MESSAGE = "This bakery takes no calls at the moment."


def at_vapi(vapi: SandboxVapi, number_id: str) -> Any:
    """The number as Vapi has it."""
    return vapi.numbers.find(number_id)


def hooks(vapi: SandboxVapi, number_id: str) -> list[Any]:
    return list((at_vapi(vapi, number_id) or {}).get("hooks") or [])


def says(vapi: SandboxVapi, number_id: str) -> list[str]:
    """What the ringing hooks of a number say, in order."""
    return [hook["do"][0]["exact"] for hook in hooks(vapi, number_id)]


async def ringing(callgate: Replica, vapi: SandboxVapi, **handling: object) -> tuple[str, str]:
    """An organization with a ring gate and no access, and its number at Vapi."""
    owner = await callgate.add_organization(
        blocked_message=MESSAGE, handling={"ring_gate": True, **handling}
    )
    number_id = vapi.add_number(provider="vapi", hooks=[dict(THEIRS)])["id"]
    await callgate.add_number(owner, number_id)
    return owner, number_id


async def test_the_hook_goes_on_when_the_number_is_added_and_before_theirs(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    _, number_id = await ringing(callgate, vapi)
    assert says(vapi, number_id) == [MESSAGE, "Welcome to the bakery!"]


async def test_it_goes_off_within_a_second_of_payment_and_on_within_one_of_the_end(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner, number_id = await ringing(callgate, vapi)

    async def off() -> bool:
        return says(vapi, number_id) == ["Welcome to the bakery!"]

    async def on() -> bool:
        return says(vapi, number_id) == [MESSAGE, "Welcome to the bakery!"]

    plan = {"code": "pro", "status": "active"}
    for _ in range(
        4
    ):  # more often in an hour than the fight limit: access changes do not count as a fight
        await callgate.api("PUT", f"/organizations/{owner}/plan", plan)
        await eventually(off, 1.0)
        await callgate.api("DELETE", f"/organizations/{owner}/plan")
        await eventually(on, 1.0)


async def test_it_goes_on_at_the_moment_a_trial_ends(callgate: Replica, vapi: SandboxVapi) -> None:
    owner, number_id = await ringing(callgate, vapi)
    ends_at = datetime.now(UTC) + timedelta(seconds=2)
    await callgate.api("PUT", f"/organizations/{owner}/trial", {"ends_at": ends_at.isoformat()})

    async def off() -> bool:
        return says(vapi, number_id) == ["Welcome to the bakery!"]

    async def on() -> bool:
        return says(vapi, number_id) == [MESSAGE, "Welcome to the bakery!"]

    await eventually(off, 1.5)
    await eventually(on, 3.5)
    assert timedelta(0) <= datetime.now(UTC) - ends_at < timedelta(seconds=1)


async def test_a_paused_number_is_still_unblocked(callgate: Replica, vapi: SandboxVapi) -> None:
    owner, number_id = await ringing(callgate, vapi)
    found = (await callgate.api("GET", f"/phone-numbers?organization_id={owner}")).json["items"][0]
    await callgate.api("PUT", f"/phone-numbers/{found['id']}/pause", {"reason": "their test"})
    await callgate.api("PUT", "/reconcile/pause", {"reason": "all of them"})
    await callgate.api("PUT", f"/organizations/{owner}/plan", {"code": "pro", "status": "active"})

    async def off() -> bool:
        return says(vapi, number_id) == ["Welcome to the bakery!"]

    await eventually(off, 1.0)
    await callgate.api("DELETE", f"/organizations/{owner}/plan")
    await callgate.api("DELETE", "/reconcile/pause")
    await callgate.api("DELETE", f"/phone-numbers/{found['id']}/pause")

    async def on() -> bool:
        return says(vapi, number_id)[0] == MESSAGE

    await eventually(on, 2.0)


async def test_a_hook_that_somebody_took_off_comes_back(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(callgate_reconcile_interval=0.3)
    _, number_id = await ringing(callgate, vapi)
    vapi.edit_number(number_id, hooks=[dict(THEIRS)])

    async def on() -> bool:
        return says(vapi, number_id) == [MESSAGE, "Welcome to the bakery!"]

    await eventually(on, 5.0)


async def test_a_release_takes_the_hook_off_and_leaves_theirs(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner, number_id = await ringing(callgate, vapi)
    found = (await callgate.api("GET", f"/phone-numbers?organization_id={owner}")).json["items"][0]
    await callgate.api("DELETE", f"/phone-numbers/{found['id']}")
    assert hooks(vapi, number_id) == [THEIRS]
    assert at_vapi(vapi, number_id).get("server") is None


async def test_the_setting_is_the_default_and_an_organization_overrides_it(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(callgate_ring_gate=True)
    without = await callgate.add_organization("Default")
    against = await callgate.add_organization("Against", handling={"ring_gate": False})
    first, second = vapi.add_numbers(2, provider="vapi")
    await callgate.add_number(without, first)
    await callgate.add_number(against, second)
    assert len(says(vapi, first)) == 1
    assert says(vapi, second) == []
    await callgate.api("PATCH", f"/organizations/{against}", {"handling": {"ring_gate": True}})
    found = (await callgate.api("GET", f"/organizations/{against}")).json
    assert found["handling"]["ring_gate"] is True

    async def on() -> bool:
        return len(says(vapi, second)) == 1

    await eventually(on, 1.5)


async def test_a_change_of_the_message_changes_the_hook(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner, number_id = await ringing(callgate, vapi)
    await callgate.api("PATCH", f"/organizations/{owner}", {"blocked_message": "Closed for good."})

    async def new() -> bool:
        return says(vapi, number_id) == ["Closed for good.", "Welcome to the bakery!"]

    await eventually(new, 2.0)


async def test_calls_of_paying_callers_are_transferred_while_we_are_away(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner = await callgate.add_organization(handling={"transfer_when_down": "+15550100777"})
    number_id = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number_id)
    assert at_vapi(vapi, number_id).get("fallbackDestination") is None
    await callgate.api("PUT", f"/organizations/{owner}/plan", {"code": "pro", "status": "active"})

    async def set_up() -> bool:
        found = at_vapi(vapi, number_id)
        return bool(
            found.get("fallbackDestination") == {"type": "number", "number": "+15550100777"}
            and hooks(vapi, number_id)[0]["on"] == "call.ending"
        )

    await eventually(set_up, 1.5)
    await callgate.api("DELETE", f"/organizations/{owner}/plan")

    async def taken_away() -> bool:
        found = at_vapi(vapi, number_id)
        return found.get("fallbackDestination") is None and not hooks(vapi, number_id)

    await eventually(taken_away, 1.5)


async def test_the_request_gate_unbinds_and_a_release_binds_again(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    assistant = vapi.add_assistant(name="Order taker")["id"]
    number_id = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
    owner = await callgate.add_organization()
    number = await callgate.add_number(owner, number_id, gate="request")
    assert number["sync"]["state"] == "in_sync"
    assert number["answer_with"] == {"assistantId": assistant}
    assert at_vapi(vapi, number_id).get("assistantId") is None
    path = f"/phone-numbers/{number['id']}"

    event = (await callgate.api("PATCH", path, {"gate": "event"})).json
    assert event["sync"]["state"] == "in_sync"
    assert at_vapi(vapi, number_id)["assistantId"] == assistant

    await callgate.api("PATCH", path, {"gate": "request"})
    assert at_vapi(vapi, number_id).get("assistantId") is None
    other = vapi.add_assistant(name="Somebody's")["id"]
    vapi.edit_number(number_id, assistantId=other)
    await callgate.api("POST", "/reconcile")
    assert at_vapi(vapi, number_id).get("assistantId") is None
    assert (await callgate.api("GET", path)).json["answer_with"] == {"assistantId": assistant}

    await callgate.api("DELETE", path)
    found = at_vapi(vapi, number_id)
    assert (found["assistantId"], found.get("server")) == (assistant, None)


async def test_it_goes_off_at_once_with_the_budget_that_vapi_is_known_to_allow(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    """Right after the number was added, which took all that may go out at once."""
    callgate = await start_replica(callgate_vapi_requests_per_second=1.4)
    owner, number_id = await ringing(callgate, vapi)

    async def off() -> bool:
        return says(vapi, number_id) == ["Welcome to the bakery!"]

    await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)
    await eventually(off, 1.0)


async def test_many_at_once_keep_to_the_budget_and_those_who_pay_come_first(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    rate = 60.0
    callgate = await start_replica(callgate_vapi_requests_per_second=rate, callgate_ring_gate=True)
    pool = callgate.service.pool
    paying, ending = vapi.add_numbers(25, provider="vapi"), vapi.add_numbers(25, provider="vapi")
    owners = {
        "paying": await callgate.add_organization("Paying", blocked_message=MESSAGE),
        "ending": await callgate.add_organization("Ending", blocked_message=MESSAGE),
    }
    await callgate.api("PUT", f"/organizations/{owners['ending']}/plan", PLAN)
    await pool.execute(
        """
        WITH numbers AS (
            INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id)
            SELECT $1::uuid, unnest($2::text[])
            UNION ALL SELECT $3::uuid, unnest($4::text[]) RETURNING id)
        INSERT INTO callgate.webhook_states (phone_number_id) SELECT id FROM numbers
        """,
        owners["paying"],
        paying,
        owners["ending"],
        ending,
    )

    async def set_up() -> bool:
        return all(says(vapi, one) == [MESSAGE] for one in paying) and all(
            (at_vapi(vapi, one).get("server") or {}).get("url") for one in ending
        )

    await eventually(set_up, 30.0)

    async def at_rest() -> bool:
        return not await pool.fetchval(
            "SELECT count(*) FROM callgate.webhook_states "
            "WHERE next_attempt_at IS NOT NULL OR claimed_until IS NOT NULL"
        )

    await eventually(at_rest, 30.0)
    before, began = len(vapi.requests("*")), time.monotonic()
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("DELETE FROM callgate.plans")
        await connection.execute(
            "INSERT INTO callgate.plans (organization_id, code, status) VALUES ($1, 'p', 'active')",
            owners["paying"],
        )

    async def done() -> bool:
        return all(not says(vapi, one) for one in paying) and all(says(vapi, one) for one in ending)

    await eventually(done, 30.0)
    seconds = time.monotonic() - began
    requests = vapi.requests("*")[before:]
    assert len(requests) <= rate * seconds + 30, "more than the budget, and its bursts"
    changed = [one.path.rsplit("/", 1)[-1] for one in requests if one.method == "PATCH"]
    first_on = min(changed.index(one) for one in ending)
    late = [one for one in paying if changed.index(one) > first_on]
    assert len(late) <= 8, "who pays waits for at most what was under way"
