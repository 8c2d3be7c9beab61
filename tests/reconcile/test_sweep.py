"""Sweeps: what they cost, what they find and repair, when they stop and ask, whom they leave alone."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from service.domain.errors import UnavailableError
from service.reconcile.steps.webhook_fields import merged
from tests.support.reconciling import OWNER, THEIRS, URL, World
from tests.support.settings import SECRET, secret_of
from tests.support.sweeping import ADMIN

HOOK = {"on": "call.ringing", "do": [{"type": "say", "exact": "Hello"}]}


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (1000, 1), (1001, 2), (2500, 3)])
async def test_a_clean_sweep_reads_pages_and_nothing_else(
    world: World, count: int, pages: int
) -> None:
    await world.numbers(count)
    report = await world.sweep()
    assert (report.checked, report.in_sync, report.drifted) == (count, count, 0)
    assert report.pages == world.asked("GET /v2/phone-number") == pages
    assert len(world.vapi.requests()) == pages


async def test_what_answers_numbers_is_listed_once_however_many_they_are(world: World) -> None:
    """Assistants, squads and workflows come by lists too, and only if a number needs them."""
    assistants = [world.vapi.add_assistant()["id"] for _ in range(30)]
    squads = [
        world.vapi.add_squad(members=[{"assistantId": assistant}])["id"] for assistant in assistants
    ]
    workflows = [world.vapi.add_workflow()["id"] for _ in range(30)]
    numbers = list(await world.numbers(90))
    for place in range(30):
        world.vapi.edit_number(numbers[place], assistantId=assistants[place])
    await world.sweep()
    assert {request.path for request in world.vapi.requests()} == {"/v2/phone-number", "/assistant"}
    for place in range(30):
        world.vapi.edit_number(numbers[30 + place], squadId=squads[place])
        world.vapi.edit_number(numbers[60 + place], workflowId=workflows[place])
    before = len(world.vapi.requests())
    report = await world.sweep()
    assert report.in_sync == 90
    assert len(world.vapi.requests()) - before == 1 + 3 * 2


KINDS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "url": lambda block: {"server": {**block, "url": THEIRS}},
    "header gone": lambda block: {"server": {**block, "headers": {}}},
    "headers gone": lambda block: {"server": {**block, "headers": None}},
    "another secret": lambda block: {"server": {**block, "headers": {"X-Vapi-Secret": "x"}}},
    "timeout": lambda block: {"server": {**block, "timeoutSeconds": 5}},
    "retries": lambda block: {"server": {**block, "backoffPlan": {"type": "fixed"}}},
    "no retries": lambda block: {"server": {**block, "backoffPlan": None}},
    "server cleared": lambda block: {"server": None},
    "legacy field": lambda block: {"server": None, "serverUrl": THEIRS},
    "legacy field of ours": lambda block: {"server": None, "serverUrl": URL},
}


@pytest.mark.parametrize("kind", KINDS)
async def test_drift_is_found_and_repaired(world: World, kind: str) -> None:
    drifted, *others = (await world.numbers(3, hooks=[HOOK])).items()
    world.vapi.edit_number(drifted[0], **KINDS[kind](world.block))
    report = await world.sweep()
    assert (report.drifted, report.repaired, report.in_sync, report.failed) == (1, 1, 2, 0)
    assert [repair.phone_number_id for repair in report.repairs] == [drifted[1]]
    assert SECRET not in str(report.repairs)
    assert world.server(drifted[0]) == world.block
    after = world.vapi.numbers.find(drifted[0]) or {}
    assert (after["name"], after["hooks"]) == ("Line 0", [HOOK])
    assert world.asked("PATCH *") == 1
    again = await world.sweep()
    assert (again.in_sync, again.drifted) == (3, 0)
    assert world.asked("PATCH *") == 1
    assert all(world.server(vapi_id) == world.block for vapi_id, _ in others)


async def test_what_is_not_ours_in_the_block_survives(world: World) -> None:
    theirs: dict[str, Any] = {
        "headers": {"X-Theirs": "keep", "Authorization": "Bearer theirs"},
        "credentialId": "550e8400-e29b-41d4-a716-446655440000",
        "staticIpAddressesEnabled": True,
    }
    vapi_id, _ = next(iter((await world.numbers(1)).items()))
    world.vapi.edit_number(vapi_id, server={**world.block, **theirs, "url": THEIRS})
    await world.sweep()
    desired = world.parts.reconciler.number_pass.desired.of(OWNER)
    assert world.server(vapi_id) == merged(desired, {**world.block, **theirs})
    ours = {"X-Vapi-Secret": secret_of(OWNER)}
    assert world.server(vapi_id)["headers"] == {**theirs["headers"], **ours}


async def test_a_dry_run_changes_nothing_and_calls_the_same_plan_the_same(world: World) -> None:
    numbers = await world.numbers(15)
    world.spoil(list(numbers)[:12])
    before = await world.everything()
    first = await world.sweep(ADMIN, dry_run=True)
    second = await world.sweep(ADMIN, dry_run=True)
    assert await world.everything() == before
    assert world.asked("PATCH *") == 0
    assert (first.drifted, len(first.repairs), first.repaired) == (12, 12, 0)
    assert first.plan == second.plan
    world.spoil(list(numbers)[12:13])
    assert (await world.sweep(ADMIN, dry_run=True)).plan != first.plan


async def test_a_dry_run_over_an_implausible_list_asks_for_nothing_else(world: World) -> None:
    numbers = await world.numbers(15)
    world.spoil(numbers)
    world.vapi.fail("GET /v2/phone-number", answer={"results": [], "metadata": {}})
    before = await world.everything()
    with pytest.raises(UnavailableError):
        await world.sweep(ADMIN, dry_run=True)
    assert await world.everything() == before
    assert len(world.vapi.requests()) == 1
