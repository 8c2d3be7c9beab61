"""Plugins that misbehave, installed in a real service: every other decision is right, and within five
seconds log, metrics and API name the policy."""

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from tests.support.hostile_plugins import (
    BLOCKING,
    CROWD,
    FAILING,
    GREEDY,
    NEVER_STOPS,
    SECRET_TEXT,
    UNLOADABLE,
)
from tests.support.hostile_service import add_numbers, read_public, serving
from tests.support.service import Replica, eventually

CALLS = 12


async def check_decisions(
    client: Replica, vapi: SandboxVapi, numbers: tuple[str, str], calls: int = CALLS
) -> float:
    """Calls of both, at once: each is decided as without the plugins. The longest answer, in
    seconds."""

    async def ask(number_id: str) -> tuple[float, Any]:
        message = vapi.live_call(number_id, kind="assistant-request")
        began = time.monotonic()
        answer = await client.post(message)
        assert answer.status == 200, answer
        return time.monotonic() - began, answer.json

    paid, unpaid = numbers
    granted = await asyncio.gather(*(ask(paid) for _ in range(calls)))
    denied = await asyncio.gather(*(ask(unpaid) for _ in range(calls)))
    assert all(answer.get("assistantId") == "a-1" for _, answer in granted), granted
    assert all("error" in answer for _, answer in denied), denied
    assert SECRET_TEXT not in f"{granted}{denied}"
    return max(seconds for seconds, _ in (*granted, *denied))


async def test_what_cannot_be_loaded_is_named_and_changes_no_decision(
    dsn: str, vapi: SandboxVapi, tmp_path: Path
) -> None:
    async with serving(UNLOADABLE, dsn, vapi, tmp_path) as (process, client):
        assert await check_decisions(client, vapi, await add_numbers(client, vapi)) < 2
        log = process.log.read_text()
        assert [name for name in UNLOADABLE if f"hostile_{name}" not in log] == []
        public = await read_public(client)
        assert "plugin_not_loaded" in public
        assert SECRET_TEXT not in public
        chain = await client.api("GET", "/policies")
        assert {one["plugin"] for one in chain.json["items"]} == {"callgate"}


async def test_what_fails_is_suspended_and_named_and_changes_no_decision(
    dsn: str, vapi: SandboxVapi, tmp_path: Path
) -> None:
    async with serving(FAILING, dsn, vapi, tmp_path) as (process, client):
        numbers = await add_numbers(client, vapi)
        began = time.monotonic()
        await check_decisions(client, vapi, numbers)

        async def named() -> bool:
            listed = (await client.api("GET", "/policies")).json["items"]
            suspended = {one["name"] for one in listed if one["health"]["suspended"]}
            return suspended >= FAILING.keys()

        await eventually(named)
        assert time.monotonic() - began < 5
        log, public = process.log.read_text(), await read_public(client)
        assert [one for one in FAILING if f'"policy":"{one}"' not in log.replace(" ", "")] == []
        for name in FAILING:
            assert f'callgate_policy_suspended{{policy="{name}"}} 1.0' in public, name
        assert "policy_suspended" in public
        assert SECRET_TEXT not in public
        assert await check_decisions(client, vapi, numbers, 100) < 2


@pytest.mark.parametrize("name", list(BLOCKING))
async def test_what_blocks_the_event_loop_is_named_and_suspended(
    name: str, dsn: str, vapi: SandboxVapi, tmp_path: Path
) -> None:
    async with serving({name: BLOCKING[name]}, dsn, vapi, tmp_path) as (process, client):
        numbers = await add_numbers(client, vapi)
        began = time.monotonic()
        await check_decisions(client, vapi, numbers, 1)

        async def named() -> bool:
            public = await read_public(client)
            return (
                "event_loop_blocked" in public
                and f'callgate_policy_suspended{{policy="{name}"}} 1.0' in public
            )

        await eventually(named)
        assert time.monotonic() - began < 5
        assert "event_loop.blocked" in process.log.read_text()
        assert await check_decisions(client, vapi, numbers, 50) < 2


@pytest.mark.parametrize("name", ["spins", "spins_beside", "spins_stubbornly"])
async def test_what_computes_in_threads_is_named_and_interrupted(
    name: str, dsn: str, vapi: SandboxVapi, tmp_path: Path
) -> None:
    async with serving({name: GREEDY[name]}, dsn, vapi, tmp_path) as (process, client):
        numbers = await add_numbers(client, vapi)
        began = time.monotonic()
        await check_decisions(client, vapi, numbers, 2)

        async def named() -> bool:
            public = await read_public(client)
            return (
                "policy_computing" in public
                and f'callgate_policy_suspended{{policy="{name}"}} 1.0' in public
            )

        await eventually(named)
        assert time.monotonic() - began < 5
        assert "policy.computing" in process.log.read_text()
        assert await check_decisions(client, vapi, numbers, 25) < 2


async def test_what_never_stops_is_named_and_holds_up_no_end(
    dsn: str, vapi: SandboxVapi, tmp_path: Path
) -> None:
    async with serving({"never_stops": NEVER_STOPS}, dsn, vapi, tmp_path) as (process, client):
        await check_decisions(client, vapi, await add_numbers(client, vapi), 1)
    assert "policy.not_stopped" in process.log.read_text()


async def test_two_hundred_slow_policies_are_suspended_and_change_no_decision(
    dsn: str, vapi: SandboxVapi, tmp_path: Path
) -> None:
    crowds = {"crowd": CROWD, "crowd_two": CROWD.replace("crowd_", "mob_")}
    async with serving(crowds, dsn, vapi, tmp_path) as (_process, client):
        numbers = await add_numbers(client, vapi)
        began = time.monotonic()
        suspended = 0
        while suspended < 200 and time.monotonic() < began + 20:
            await check_decisions(client, vapi, numbers, 1)
            public = await read_public(client)
            suspended = len(re.findall(r'suspended\{policy="(?:crowd|mob)_\d+"\} 1\.0', public))
        assert suspended == 200
        assert await check_decisions(client, vapi, numbers) < 1
