"""What a sweep believes: lists that show too little, numbers that are gone, lists that shift."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from service.domain.errors import UnavailableError
from service.domain.phone_numbers import Order
from tests.support.reconciling import World, register_in_sync

ADMIN = Order("ada", "api")


def strangers(count: int) -> list[dict[str, Any]]:
    """Numbers of another organization."""
    return [{"id": f"stranger-{place}", "provider": "vapi"} for place in range(count)]


IMPLAUSIBLE: Mapping[str, tuple[dict[str, Any], str]] = {
    "empty": ({"answer": {"results": [], "metadata": {"totalItems": 0}}}, "list_implausible"),
    "another organization's": ({"answer": {"results": strangers(40)}}, "list_implausible"),
    "short": ({"answer": "the first five"}, "list_implausible"),
    "no page": ({"answer": {"message": "hello"}}, "unavailable"),
    "a bare list": ({"answer": []}, "unavailable"),
    "no objects": ({"answer": {"results": [1, None]}}, "unavailable"),
    "HTML": ({"html": True}, "unavailable"),
    "half": ({"truncated": True}, "unavailable"),
    "500": ({"status": 500}, "unavailable"),
    "404": ({"status": 404}, "unavailable"),
    "400": ({"status": 400}, "unavailable"),
    "429": ({"status": 429, "retry_after": 1}, "unavailable"),
    "401": ({"status": 401}, "key_refused"),
    "reset": ({"reset": True}, "unavailable"),
}


@pytest.mark.parametrize("kind", IMPLAUSIBLE)
@pytest.mark.parametrize("order", [None, ADMIN], ids=["by the clock", "asked"])
async def test_an_implausible_list_is_not_believed(
    world: World, kind: str, order: Order | None
) -> None:
    """Nothing is written, nothing is missing, and few are asked about one by one."""
    numbers = await world.numbers(30)
    fault, code = IMPLAUSIBLE[kind]
    if kind == "short":
        shown = [world.vapi.numbers.find(vapi_id) for vapi_id in list(numbers)[:5]]
        fault = {"answer": {"results": shown, "metadata": {"hasNextPage": False}}}
    world.vapi.fail("GET /v2/phone-number", **fault)
    if kind in ("404", "400"):
        # An account without the paged list is read by the older one, which has its day, too.
        world.vapi.fail("GET /phone-number", **fault)
    for _ in range(2):
        with pytest.raises(UnavailableError) as caught:
            await world.sweep(order)
        assert caught.value.code == f"vapi_{code}"
    assert world.asked("PATCH *") == 0
    assert world.asked("GET /phone-number/*") <= 20
    assert await world.states() == {"in_sync": 30}
    world.vapi.faults.clear()
    assert (await world.sweep(order)).in_sync == 30
    outcomes = await world.pool.fetch("SELECT outcome FROM callgate.sweeps ORDER BY id")
    assert [row["outcome"] for row in outcomes] == ["failed", "failed", "done"]


async def test_a_few_unlisted_numbers_are_asked_about_and_stay(world: World) -> None:
    numbers = await world.numbers(12)
    shown = [world.vapi.numbers.find(vapi_id) for vapi_id in list(numbers)[:10]]
    world.vapi.fail("GET /v2/phone-number", answer={"results": shown})
    report = await world.sweep()
    assert (report.checked, report.in_sync, report.missing) == (12, 12, 0)
    assert world.asked("GET /phone-number/*") == 2
    assert await world.states() == {"in_sync": 12}


async def test_of_many_unlisted_numbers_only_some_are_asked_about_at_a_time(world: World) -> None:
    """The budget of requests is for repairs too; each sweep asks about other ones."""
    numbers = await world.numbers(1000)
    shown = [world.vapi.numbers.find(vapi_id) for vapi_id in list(numbers)[:750]]
    world.vapi.fail("GET /v2/phone-number", answer={"results": shown})
    for times in range(1, 4):
        await world.sweep()
        asked = {request.path for request in world.vapi.requests("GET /phone-number/*")}
        assert len(asked) == min(100 * times, 250)


@pytest.mark.parametrize("drifted", [False, True], ids=["as it was", "without webhook"])
async def test_a_deleted_number_is_missing_and_comes_back(world: World, drifted: bool) -> None:
    (gone, number_id), *_ = (await world.numbers(3)).items()
    removed = world.vapi.numbers.remove(gone)
    report = await world.sweep()
    assert report.checked == 3
    state = await world.state(number_id)
    assert (state["state"], state["problem"]) == ("missing", "missing")
    assert state["last_error"]
    asked = world.asked("GET /phone-number/*")
    again = await world.sweep()
    assert (again.missing, again.failed, again.in_sync) == (1, 1, 2)
    assert world.asked("GET /phone-number/*") == asked
    world.vapi.add_number(**{**removed, "server": None if drifted else removed["server"]})
    await world.sweep()
    assert (await world.state(number_id))["state"] == "in_sync"
    assert world.server(gone) == world.block


async def test_a_list_that_shifts_during_the_sweep_does_no_harm(world: World) -> None:
    """A removed number hides another behind the page's edge, an older one shows one twice."""
    numbers = list((await world.numbers(1500)).items())
    (first, first_id), (last, last_id) = numbers[0], numbers[999]
    hidden = numbers[1000]
    changed = 0

    def remove() -> None:
        world.vapi.numbers.remove(first)

    def insert() -> None:
        world.vapi.add_number(
            createdAt="2020-01-01T00:00:00.000Z", updatedAt="2020-01-01T00:00:00Z"
        )

    for change in remove, insert:
        changed = 0

        async def alive(change: Callable[[], None] = change) -> bool:
            nonlocal changed
            changed += 1
            if changed == 1:
                change()
                if change is insert:
                    world.spoil([last])
            return True

        before = world.asked("GET /phone-number/*")
        report = await world.sweep(alive=alive)
        one_by_one = world.asked("GET /phone-number/*") - before
        if change is remove:
            assert (report.checked, report.in_sync, one_by_one) == (1500, 1500, 1)
            assert (await world.state(hidden[1]))["state"] == "in_sync"
        else:
            # What was seen twice counts once; its drift is for the next sweep.
            assert (report.checked, report.drifted) == (1500, 0)
    assert (await world.sweep()).repaired == 1
    assert world.server(last) == world.block
    assert (await world.state(first_id))["state"] == "missing"
    assert (await world.state(last_id))["state"] == "in_sync"
    assert world.asked("PATCH *") == 1


async def test_what_is_registered_during_the_sweep_is_not_missed_by_it(world: World) -> None:
    numbers = await world.numbers(3)
    late = world.vapi.add_number()["id"]
    world.vapi.numbers.remove(late)

    async def alive() -> bool:
        await register_in_sync(world.pool, world.parts.reconciler.number_pass.desired, [late])
        await world.pool.execute(
            "UPDATE callgate.phone_numbers SET created_at = clock_timestamp() "
            "WHERE vapi_phone_number_id = $1",
            late,
        )
        return True

    report = await world.sweep(alive=alive)
    assert (report.checked, report.in_sync) == (len(numbers), len(numbers))
    assert world.asked("GET /phone-number/*") == 0


async def test_another_replica_took_the_sweep(world: World) -> None:
    numbers = await world.numbers(2)
    world.spoil(numbers)

    async def alive() -> bool:
        return False

    with pytest.raises(UnavailableError) as caught:
        await world.sweep(alive=alive)
    assert caught.value.code == "sweep_lost"
    assert world.asked("PATCH *") == 0
