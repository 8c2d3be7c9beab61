"""Vapi that does not answer: a condition with its age, in readiness, metrics and panel."""

from typing import Any

import pytest

from service.domain.conditions import CONDITIONS
from service.reconcile.probe import VapiProbe
from service.sandbox.server import SandboxVapi
from service.vapi.reach import IDLE_SECONDS
from tests.support.reconciling import World
from tests.support.service import Start, eventually

KIND = "vapi_unreachable"


async def test_vapi_away_is_a_condition_until_it_answers(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(callgate_call_watch_interval=0.2)

    async def check() -> Any:
        async with callgate.session.get(f"{callgate.url}/readyz") as response:
            body = await response.json()
            assert response.status == 200
        return next((one for one in body["checks"] if one.get("kind") == KIND), None)

    async def metric() -> float:
        async with callgate.session.get(f"{callgate.url}/metrics") as response:
            lines = (await response.text()).splitlines()
        (line,) = [one for one in lines if one.startswith("callgate_vapi_unreachable_seconds ")]
        return float(line.split()[1])

    assert await check() is None
    assert await metric() == 0
    await vapi.down()
    found = await eventually(check)
    assert (found["name"], found["level"]) == ("vapi", "degraded")
    assert "Vapi is unreachable since" in found["detail"]
    assert "Vapi does not answer (" in found["detail"]
    assert CONDITIONS[KIND].meaning in found["detail"]
    await eventually(metric)
    await vapi.up()

    async def gone() -> bool:
        return await check() is None

    await eventually(gone)

    async def reset() -> bool:
        return await metric() == 0

    await eventually(reset)


@pytest.mark.parametrize("fault", [{"status": 503}, {"reset": True}])
async def test_a_probe_notices_what_no_other_request_shows(
    world: World, fault: dict[str, Any]
) -> None:
    """An idle replica probes each minute, and more often once a request failed."""
    client, key = world.parts.key.client, world.parts.key
    probe, reach = VapiProbe(client, key), client.reach
    await probe.turn()
    assert world.vapi.requests() == []
    world.vapi.fail("*", **fault)
    for count in (1, 2, 3):
        assert reach.away_seconds == 0
        reach.tried_at -= IDLE_SECONDS
        assert await probe.turn() <= 5
        assert reach.failures == count
    assert reach.away_seconds > 0
    world.vapi.faults.clear()
    # A refusal is an answer: Vapi can be reached, and the key is another matter.
    world.vapi.fail("*", status=401)
    reach.tried_at -= IDLE_SECONDS
    await probe.turn()
    assert (reach.failures, reach.away_seconds) == (0, 0)
    assert await key.refused_since() is not None
