"""The overview says that every number is guarded only if each one is known to be."""

import re

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.service import Start
from tests.support.visiting import rows_of, visiting

WELL = "every number is guarded"
UNGUARDED = re.compile(
    r'<a href="/admin(/numbers\?sync_state=\w+)"><span[^>]*>[^<]*</span></a> ([\d,]+)'
)
SET_STATE = "UPDATE callgate.webhook_states SET state = $1"


@pytest.mark.parametrize("state", ["drifted", "pending", "paused"])
async def test_numbers_that_are_not_in_sync_are_named_where_no_condition_does(
    start_replica: Start, vapi: SandboxVapi, state: str
) -> None:
    """As in a service that only observes, a moment after a number was added, or while it is paused."""
    callgate = await start_replica(callgate_reconcile_interval=0)
    owner = await callgate.add_organization("Bakery")
    assistant = vapi.add_assistant()["id"]
    for _ in range(2):
        await callgate.add_number(
            owner, vapi.add_number(provider="vapi", assistantId=assistant)["id"]
        )
    async with visiting(callgate) as ada:
        assert WELL in (await ada.get("")).text
        await callgate.service.background.stop("reconcile")
        await callgate.service.pool.execute(SET_STATE, state)
        shown = await ada.get("")
        assert WELL not in shown.text
        assert "Guarded" not in shown.text
        _, _, notice = shown.body.partition("Not known to be guarded:")
        found = UNGUARDED.findall(notice.partition("</p>")[0])
        assert found == [(f"/numbers?sync_state={state}", "2")]
        assert await rows_of(ada, found[0][0]) == 2
        # A condition names missing numbers already.
        await callgate.service.pool.execute(SET_STATE, "missing")
        text = (await ada.get("")).text
        assert "Missing at Vapi: 2 numbers." in text
        assert WELL not in text
        assert "Not known to be guarded" not in text


async def test_a_hole_in_the_coverage_is_not_said_beside_it(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(callgate_reconcile_interval=0, callgate_call_watch_interval=0)
    assistant = vapi.add_assistant()["id"]
    await callgate.add_number(
        await callgate.add_organization("Bakery"),
        vapi.add_number(provider="vapi", assistantId=assistant)["id"],
    )
    callgate.service.use_cases.conditions.stored.holes_read_at = float("-inf")
    async with visiting(callgate) as ada:
        shown = (await ada.get("")).text
        assert "the call watch is off" in shown
        assert WELL not in shown
