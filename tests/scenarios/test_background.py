"""A background loop that dies is restarted, and readiness, metrics and the panel report it."""

from typing import Any

import pytest

from service.domain.conditions import CONDITIONS
from tests.support.service import Replica, Start, eventually
from tests.support.visiting import visiting


async def background_check(replica: Replica) -> str:
    """What readiness says of the background loops; "" while all of them work."""
    async with replica.session.get(f"{replica.url}/readyz") as response:
        assert response.status == 200
        checks = (await response.json())["checks"]
    return next((check["detail"] for check in checks if check["name"] == "background"), "")


async def metric(replica: Replica, name: str, loop: str) -> float:
    async with replica.session.get(f"{replica.url}/metrics") as response:
        lines = (await response.text()).splitlines()
    (line,) = [line for line in lines if line.startswith(f'{name}{{loop="{loop}"}}')]
    return float(line.rpartition(" ")[2])


async def test_a_loop_that_dies_is_reported_restarted_and_healthy_again(
    start_replica: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await start_replica(), await start_replica()
    assert await background_check(one) == ""
    assert await metric(one, "callgate_background_loop_up", "imports") == 1
    loop = one.service.background.loops["imports"]
    turn, broken = loop.turn, True

    async def failing() -> Any:
        if broken:
            raise RuntimeError("a-secret")
        return await turn()

    monkeypatch.setattr(loop, "turn", failing)
    loop.wake.set()

    async def reported() -> bool:
        return bool(await background_check(one))

    await eventually(reported)
    assert await background_check(one) == CONDITIONS["background_loops_down"].meaning
    texts = [found.text for found in one.service.use_cases.conditions.read_last()]
    assert any("imports (restarting: RuntimeError)" in text for text in texts)
    assert not any("a-secret" in text for text in texts)

    async def shown_down() -> bool:
        return await metric(one, "callgate_background_loop_up", "imports") == 0

    await eventually(shown_down)
    assert await metric(one, "callgate_background_loop_up", "spool") == 1
    assert await background_check(two) == ""
    async with visiting(one, "viewer") as vic:
        assert "Imports Restarting" in (await vic.get("/health")).text

    async def restarted() -> bool:
        return await metric(one, "callgate_background_loop_restarts_total", "imports") >= 1

    await eventually(restarted)
    broken = False

    async def healthy() -> bool:
        return not await background_check(one)

    await eventually(healthy)

    async def shown_up() -> bool:
        return await metric(one, "callgate_background_loop_up", "imports") == 1

    await eventually(shown_up)


async def test_a_loop_that_ended_is_not_silently_gone(callgate: Replica) -> None:
    task = callgate.service.background.loops["secret_uses"].task
    assert task is not None
    task.cancel()

    async def reported() -> bool:
        found = callgate.service.use_cases.conditions.read_last()
        return any("secret_uses (stopped" in one.text for one in found)

    await eventually(reported)
