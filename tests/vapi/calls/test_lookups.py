"""Look-ups of many calls at once: few requests, each caller answered, none held up by another."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from service.domain.priority import Priority
from service.sandbox.server import SandboxVapi
from service.vapi.client import VapiClient
from service.vapi.errors import (
    VapiNotFoundError,
    VapiThrottledError,
    VapiUnauthorizedError,
    VapiUnavailableError,
)


class Turnstile:
    """A budget that lets one request pass at a time, by hand or always."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.passed = 0

    async def pace(self, _kind: Priority) -> None:
        await self.open.wait()
        self.passed += 1


@pytest.fixture
def turnstile() -> Turnstile:
    return Turnstile()


@pytest.fixture
async def client(vapi: SandboxVapi, turnstile: Turnstile) -> AsyncIterator[VapiClient]:
    async with aiohttp.ClientSession() as session:
        yield VapiClient(session, vapi.base_url, SecretStr(vapi.api_key), turnstile.pace)


def live_calls(vapi: SandboxVapi, count: int) -> list[str]:
    number = vapi.add_number(provider="vapi")["id"]
    return [vapi.live_call(number)["message"]["call"]["id"] for _ in range(count)]


async def answers(client: VapiClient, ids: list[str]) -> list[object]:
    """What each look-up gets, asked for at once."""
    found: list[object] = await asyncio.gather(*map(client.get_call, ids), return_exceptions=True)
    return found


async def test_many_calls_are_looked_up_by_one_list(
    vapi: SandboxVapi, client: VapiClient, turnstile: Turnstile
) -> None:
    ids = live_calls(vapi, 50)
    vapi.hang_up(ids[7])
    turnstile.open.set()
    found = await answers(client, ids)
    assert [call["id"] for call in found if isinstance(call, dict)] == ids
    assert {call["status"] == "ended" for call in found if isinstance(call, dict)} == {True, False}
    assert len(vapi.requests()) <= 2
    # One alone is requested as ever.
    await client.get_call(ids[0])
    assert vapi.requests()[-1].path == f"/call/{ids[0]}"


async def test_a_backlog_is_answered_by_lists_of_its_own_time(
    vapi: SandboxVapi, client: VapiClient, turnstile: Turnstile
) -> None:
    """The newest list does not reach back to calls that a fault delayed: over 300 began since."""
    ids = live_calls(vapi, 500)
    began = {
        call_id: datetime.now(UTC) - timedelta(seconds=60 - place * 0.1)
        for place, call_id in enumerate(ids)
    }
    for call_id, at in began.items():
        vapi.calls[call_id].created_ms = int(at.timestamp() * 1000)
    wanted = [*ids[:60], *ids[-5:]]
    asked = asyncio.gather(*(client.get_call(one, began=began[one]) for one in wanted))
    await asyncio.sleep(0)
    turnstile.open.set()
    assert [call["id"] for call in await asyncio.wait_for(asked, 10)] == wanted
    assert len(vapi.requests()) <= 4


async def test_lists_become_shorter_where_calls_are_large(
    vapi: SandboxVapi, client: VapiClient, turnstile: Turnstile
) -> None:
    ids = live_calls(vapi, 60)
    for call_id in ids:
        vapi.calls[call_id].assistant_overrides = {"firstMessage": "x" * 100_000}
    asked = asyncio.create_task(answers(client, ids))
    await asyncio.sleep(0)
    turnstile.open.set()
    assert [call["id"] for call in await asked if isinstance(call, dict)] == ids
    assert 10 <= client.lookups.queue.limit <= 12
    # The first of a hundred, the others of some ten each.
    assert len(vapi.requests()) <= 1 + 12


async def test_calls_that_the_list_does_not_show_are_requested_alone(
    vapi: SandboxVapi, client: VapiClient, turnstile: Turnstile
) -> None:
    ids = live_calls(vapi, 30)
    vapi.fail("GET /call", most=20)
    waiting = asyncio.create_task(answers(client, [ids[0], "no-such-call", *ids[10:]]))
    await asyncio.sleep(0)
    turnstile.open.set()
    first, second, *others = await waiting
    assert isinstance(first, dict)
    assert isinstance(second, VapiNotFoundError)
    assert all(isinstance(one, dict) for one in others)
    assert [request.path for request in vapi.requests("GET /call")] == ["/call"]
    assert len(vapi.requests("GET /call/*")) == 2


@pytest.mark.parametrize("fault", [{"status": 502}, {"status": 400}, {"stall": 30.0}])
async def test_a_list_that_fails_fails_no_call(
    vapi: SandboxVapi, client: VapiClient, turnstile: Turnstile, fault: dict[str, Any]
) -> None:
    """The list fails always, so a retry of the whole batch never succeeds."""
    ids = live_calls(vapi, 6)
    failing = vapi.fail("GET /call", **fault)
    client.timeout = aiohttp.ClientTimeout(0.5)
    waiting = asyncio.create_task(answers(client, [*ids, "no-such-call"]))
    await asyncio.sleep(0)
    turnstile.open.set()
    *found, unknown = await waiting
    assert [call["id"] for call in found if isinstance(call, dict)] == ids
    assert isinstance(unknown, VapiNotFoundError)
    assert failing.hits == 1


@pytest.mark.parametrize(
    ("status", "error"), [(401, VapiUnauthorizedError), (429, VapiThrottledError)]
)
async def test_a_refused_key_or_a_spent_budget_reaches_every_caller(
    vapi: SandboxVapi,
    client: VapiClient,
    turnstile: Turnstile,
    status: int,
    error: type[Exception],
) -> None:
    ids = live_calls(vapi, 6)
    vapi.fail_next("GET /call", status=status)
    waiting = asyncio.create_task(answers(client, ids))
    await asyncio.sleep(0)
    turnstile.open.set()
    assert {type(one) for one in await waiting} == {error}
    assert [request.path for request in vapi.requests()] == ["/call"]
    assert all(isinstance(one, dict) for one in await answers(client, ids))


async def test_a_list_and_a_call_that_fail_end_with_an_error(
    vapi: SandboxVapi, client: VapiClient, turnstile: Turnstile
) -> None:
    ids = live_calls(vapi, 4)
    vapi.fail("GET /call*", status=502)
    turnstile.open.set()
    async with asyncio.timeout(10):
        assert {type(one) for one in await answers(client, ids)} == {VapiUnavailableError}
    assert len(vapi.requests("GET /call*")) <= 2 * len(ids)


async def test_a_caller_that_gives_up_takes_no_other_along(
    vapi: SandboxVapi, client: VapiClient, turnstile: Turnstile
) -> None:
    one, other = live_calls(vapi, 2)
    patient = asyncio.create_task(client.get_call(one))
    for call_id in (one, other):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await client.get_call(call_id)
    turnstile.open.set()
    assert (await patient)["id"] == one
    # A look-up without a caller is not made.
    assert [request.path for request in vapi.requests()] == [f"/call/{one}"]


async def test_a_newer_look_up_that_ends_leaves_the_older_one_waiting(
    vapi: SandboxVapi, client: VapiClient, turnstile: Turnstile
) -> None:
    """The list does not show the call; meanwhile another caller asks for it, and leaves."""
    ids = live_calls(vapi, 3)
    unlisted = vapi.live_call(vapi.add_number(provider="vapi")["id"])["message"]["call"]["id"]
    vapi.fail_next("GET /call", stall=0.3)
    vapi.fail("GET /call", most=1)
    waiting = [asyncio.create_task(client.get_call(one)) for one in (ids[0], ids[1], unlisted)]
    await asyncio.sleep(0)
    turnstile.open.set()
    await asyncio.sleep(0.1)
    turnstile.open.clear()
    newer = asyncio.create_task(client.get_call(ids[0]))
    await asyncio.sleep(0.6)
    newer.cancel()
    await asyncio.sleep(0)
    assert not any(one.cancelled() for one in waiting)
    turnstile.open.set()
    async with asyncio.timeout(10):
        assert [call["id"] for call in await asyncio.gather(*waiting)] == [ids[0], ids[1], unlisted]


async def test_a_stalled_request_holds_up_no_other(
    vapi: SandboxVapi, client: VapiClient, turnstile: Turnstile
) -> None:
    slow, quick = live_calls(vapi, 2)
    vapi.fail_next(f"GET /call/{slow}", stall=5.0)
    turnstile.open.set()
    stalled = asyncio.create_task(client.get_call(slow))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(3):
        assert (await client.get_call(quick))["id"] == quick
    assert not stalled.done()
    stalled.cancel()
