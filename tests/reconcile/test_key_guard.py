"""A refused key is recorded the same way, whichever request met it."""

from collections.abc import Awaitable, Callable

import pytest

from service.domain.errors import UnavailableError
from service.reconcile.key_guard import RETRY_SECONDS
from service.reconcile.probe import VapiProbe
from tests.support.reconciling import World

RECORDED = """
SELECT key_fingerprint, extract(epoch FROM key_retry_at - key_refused_at)::float8 AS retry_in
FROM callgate.reconciliation
"""


async def by_a_pass(world: World) -> None:
    (number_id,) = (await world.numbers(1)).values()
    await world.parts.reconciler.reconcile(number_id)


async def by_a_sweep(world: World) -> None:
    await world.numbers(1)
    with pytest.raises(UnavailableError):
        await world.sweep()


async def by_the_probe(world: World) -> None:
    world.parts.key.client.reach.tried_at = float("-inf")
    await VapiProbe(world.parts.key.client, world.parts.key).turn()


@pytest.mark.parametrize("meet", [by_a_pass, by_a_sweep, by_the_probe])
async def test_a_refused_key_is_recorded(
    world: World, meet: Callable[[World], Awaitable[None]]
) -> None:
    world.vapi.fail("*", status=401)
    await meet(world)
    key = world.parts.key
    assert await key.refused_since() is not None
    row = await world.pool.fetchrow(RECORDED)
    assert row is not None
    assert (row["key_fingerprint"], row["retry_in"]) == (key.fingerprint, RETRY_SECONDS)
    assert await key.seconds_closed() > 0


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_of_every_request_is_one_of_the_key(world: World, status: int) -> None:
    world.vapi.fail("*", status=status)
    await by_a_pass(world)
    assert await world.parts.key.refused_since() is not None


async def test_a_403_about_one_number_stops_no_other(world: World) -> None:
    """Vapi's account may have objects that the key does not reach."""
    vapi_ids = await world.numbers(2)
    (refused, one), (_, other) = vapi_ids.items()
    world.vapi.fail(f"* /phone-number/{refused}", status=403)
    await world.parts.reconciler.reconcile(one)
    assert await world.parts.key.refused_since() is None
    assert await world.parts.key.seconds_closed() == 0
    await world.parts.reconciler.reconcile(other)
    states = (
        "SELECT state, problem, last_error FROM callgate.webhook_states WHERE phone_number_id = $1"
    )
    row = await world.pool.fetchrow(states, one)
    assert row is not None
    assert (row["state"], row["problem"]) == ("failed", "rejected")
    assert "(403)" in row["last_error"]
    row = await world.pool.fetchrow(states, other)
    assert row is not None
    assert row["state"] == "in_sync"


@pytest.mark.parametrize("path", ["GET /assistant/{}", "GET /assistant*"])
async def test_a_403_about_what_answers_one_number_stops_no_sweep(world: World, path: str) -> None:
    (bound, _), (other, _), *_ = (await world.numbers(3)).items()
    world.vapi.edit_number(bound, assistantId="elsewhere")
    world.vapi.edit_number(other, server={"url": "https://drifted.example"})
    world.vapi.fail(path.format("elsewhere"), status=403)
    report = await world.sweep()
    assert (report.unknown, report.repaired) == (1, 1)
    assert await world.parts.key.refused_since() is None
