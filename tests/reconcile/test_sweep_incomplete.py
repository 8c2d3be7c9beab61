"""Sweeps over lists with malformed elements, cut pages and gaps: what is listed is repaired, and what
is not listed is not judged."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.domain.errors import UnavailableError
from service.domain.priority import Priority
from service.domain.reconcile import PassResult
from service.reconcile.steps.number_facts import NumberFacts
from service.reconcile.steps.number_pass import NumberPass
from tests.support.reconciling import THEIRS, World

NUMBERS = "GET /v2/phone-number"
JUNK: tuple[object, ...] = (
    None,
    7,
    "x",
    [],
    {},
    {"id": None},
    {"id": 7, "server": [{"url": [[]]}]},
)
ODD: dict[str, Any] = {
    "provider": [],
    "number": {"a": 1},
    "name": 5,
    "server": {"url": {"deep": [[[]]]}, "headers": [1], "timeoutSeconds": {}, "backoffPlan": 3},
    "hooks": [None, [], {"on": {}, "do": 7}, {"on": "call.ringing", "do": [[], {"type": []}]}],
    "assistantId": {"id": 1},
    "squadId": 4.5,
    "workflowId": [None],
    "fallbackDestination": [[]],
    "orgId": {"x": "y"},
}


async def outcome(world: World) -> tuple[str, str | None]:
    row = await world.pool.fetchrow("SELECT outcome, error FROM callgate.sweeps ORDER BY id DESC")
    assert row is not None
    return row["outcome"], row["error"]


async def test_malformed_elements_spoil_only_themselves(world: World) -> None:
    """The number behind such an element is unknown: it is read by its id, and is not missing."""
    numbers = list((await world.numbers(14)).items())
    (lost, lost_id), (drifted, _) = numbers[0], numbers[5]
    kept = [world.vapi.numbers.find(vapi_id) for vapi_id, _ in numbers[1:]]
    world.vapi.fail(NUMBERS, times=1, answer={"results": [*JUNK, *kept]})
    world.spoil([drifted])
    # The answer is from before that; the pass over a number reads it afresh.
    report = await world.sweep()
    assert (report.malformed, report.incomplete, report.missing) == (len(JUNK), None, 0)
    assert (await world.state(lost_id))["state"] == "in_sync"
    assert world.asked(f"GET /phone-number/{lost}") == 1
    report = await world.sweep()
    assert (report.malformed, report.repaired, world.server(drifted)) == (0, 1, world.block)


async def test_fields_of_any_shape_spoil_only_their_number(world: World) -> None:
    """Such a number drifts or stays unknown; the others are repaired."""
    (odd, _), (drifted, _), *_ = (await world.numbers(4)).items()
    for name, value in ODD.items():
        world.vapi.edit_number(odd, **{name: value})
        world.spoil([drifted])
        await world.pool.execute("UPDATE callgate.webhook_states SET settled_at = now()")
        await world.sweep()
        assert world.server(drifted) == world.block, name


@pytest.mark.parametrize("most", [7, 100])
async def test_cut_pages_are_read_to_the_end(world: World, most: int) -> None:
    """Asked for 1,000, Vapi sends fewer: the numbers after the first page are checked as well."""
    numbers = list(await world.numbers(250 if most > 10 else 20))
    world.vapi.fail(NUMBERS, most=most)
    world.spoil(numbers[-3:])
    report = await world.sweep()
    assert (report.checked, report.repaired, report.incomplete) == (len(numbers), 3, None)
    assert world.asked("GET /phone-number/*") == 3 * 2
    assert await outcome(world) == ("done", None)


async def test_assistants_beyond_the_first_page_are_no_plain_ones(world: World) -> None:
    """Their own server shadows the number, however few assistants Vapi sends at a time."""
    shadowing = world.vapi.add_assistant(server={"url": THEIRS})["id"]
    for _ in range(8):
        world.vapi.add_assistant()
    (_, number_id), *_ = (await world.numbers(2, assistantId=shadowing)).items()
    world.vapi.fail("GET /assistant", most=3)
    report = await world.sweep()
    assert (report.shadowed, report.in_sync) == (2, 0)
    assert (await world.state(number_id))["state"] == "shadowed"


async def test_a_page_that_fails_leaves_the_rest_unjudged(world: World) -> None:
    """Ten of those not listed are read one by one, so that none waits forever."""
    numbers = list((await world.numbers(40)).items())
    (first, _), (gone, gone_id) = numbers[0], numbers[39]
    world.spoil([first])
    world.vapi.numbers.remove(gone)
    await world.pool.execute(
        "UPDATE callgate.webhook_states SET last_checked_at = now() - interval '1 hour' "
        "WHERE phone_number_id = $1",
        gone_id,
    )
    world.vapi.fail(NUMBERS, skip=2, status=502)
    world.vapi.fail(NUMBERS, most=10)
    report = await world.sweep()
    assert "Vapi failed (status 502)" in str(report.incomplete)
    assert (report.checked, report.repaired, report.unknown) == (30, 1, 10)
    assert (await outcome(world)) == ("incomplete", report.incomplete)
    assert await world.states() == {"in_sync": 39, "missing": 1}


async def test_many_that_an_incomplete_list_lacks_keep_their_state(world: World) -> None:
    numbers = list((await world.numbers(60)).items())
    for vapi_id, _ in numbers[20:]:
        world.vapi.numbers.remove(vapi_id)
    world.vapi.fail(NUMBERS, total=60)
    world.spoil([numbers[0][0]])
    before = world.asked("GET /phone-number/*")
    report = await world.sweep()
    assert report.incomplete == "Vapi announced 60 phone numbers and listed 20."
    assert (report.repaired, report.unknown) == (1, 30)
    assert world.asked("GET /phone-number/*") - before == 10 + 2
    assert (await world.states())["in_sync"] == 50
    # The whole list shows too little, which is implausible, and judges nothing either.
    world.vapi.faults.clear()
    with pytest.raises(UnavailableError) as caught:
        await world.sweep()
    assert caught.value.code == "vapi_list_implausible"


async def test_the_brake_goes_by_what_is_listed(world: World) -> None:
    """Half of a list does not let pass what the whole list would hold."""
    numbers = list((await world.numbers(80)).items())
    world.spoil([vapi_id for vapi_id, _ in numbers[:18]])
    world.vapi.fail(NUMBERS, skip=1, status=500)
    world.vapi.fail(NUMBERS, most=40)
    refused = await world.refused()
    assert refused.code == "too_many_changes"
    assert world.asked("PATCH *") == 0


async def test_a_list_of_assistants_that_fails_leaves_bound_numbers_alone(world: World) -> None:
    plain = world.vapi.add_assistant()["id"]
    (_, bound_id), *_ = (await world.numbers(1, assistantId=plain)).items()
    (drifted, _), *_ = (await world.numbers(1)).items()
    world.spoil([drifted])
    world.vapi.fail("GET /assistant", status=500)
    world.vapi.fail("GET /assistant/*", status=500)
    await world.pool.execute("UPDATE callgate.webhook_states SET last_checked_at = NULL")
    report = await world.sweep()
    assert (report.repaired, report.unknown, world.server(drifted)) == (1, 1, world.block)
    assert "assistants is incomplete" in str(report.incomplete)
    state = await world.state(bound_id)
    assert (state["state"], state["last_checked_at"]) == ("in_sync", None)


async def test_a_list_that_does_not_go_on_is_incomplete(world: World) -> None:
    """The page parameter is ignored: the first page comes every time."""
    numbers = await world.numbers(20)
    shown = [world.vapi.numbers.find(vapi_id) for vapi_id in list(numbers)[:5]]
    world.vapi.fail(NUMBERS, answer={"results": shown, "metadata": {"hasNextPage": True}})
    report = await world.sweep()
    assert "did not return the requested page" in str(report.incomplete)
    assert (world.asked(NUMBERS), report.unknown) == (2, 5)
    assert await world.states() == {"in_sync": 20}


async def test_a_malformed_first_number_does_not_keep_the_key_refused(world: World) -> None:
    """The request that tries a refused key asks for one number; what it is does not matter."""
    await world.numbers(1)
    await world.parts.key.note_refused()
    await world.pool.execute("UPDATE callgate.reconciliation SET key_retry_at = now()")
    world.vapi.fail(NUMBERS, answer={"results": [None], "metadata": {"totalItems": 1}})
    assert await world.parts.key.seconds_closed() == 0
    assert await world.parts.key.refused_since() is None


class UnreadablePass(NumberPass):
    """A pass over a number of a shape that no line of ours foresees."""

    async def settle(self, facts: NumberFacts, priority: Priority) -> PassResult:
        raise TypeError("unhashable type: 'list'")


async def test_a_number_that_cannot_be_read_slows_only_itself(world: World) -> None:
    """Its pass fails with a pause, and is not repeated at once."""
    ((_, number_id),) = (await world.numbers(1)).items()
    rules = world.parts.reconciler.number_pass
    broken = UnreadablePass(**{one.name: getattr(rules, one.name) for one in fields(rules)})
    await world.pool.execute("UPDATE callgate.webhook_states SET next_attempt_at = now()")
    reconciler = replace(world.parts.reconciler, number_pass=broken)
    await reconciler.reconcile_due(number_id)
    state = await world.state(number_id)
    assert (state["state"], state["problem"], state["claimed_until"]) == (
        "failed",
        "unreadable",
        None,
    )
    assert state["next_attempt_at"] > datetime.now(UTC) + timedelta(minutes=10)
