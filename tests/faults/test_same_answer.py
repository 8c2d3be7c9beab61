"""Calls that begin on one replica and go on at another one, while PostgreSQL is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from service.access.first_message import GUESS_SECONDS
from service.access.rulings import RESTART_SECONDS
from service.sandbox.server import SandboxVapi
from service.store.roles import app_dsn
from tests.support.service import Replica, Start, eventually, replica
from tests.support.settings import settings_for
from tests.support.tcp_proxy import TcpProxy, proxied

CALLS = 20
PLAN = {"code": "pro", "status": "active"}
TRIAL = {"ends_at": "2030-01-01T00:00:00Z"}

Message = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """Two replicas, each with a way of its own to one database; `dsn` is the way without harm."""

    one: Replica
    two: Replica
    ways: tuple[TcpProxy, TcpProxy]
    dsn: str

    @contextmanager
    def away(self, *places: int) -> Iterator[None]:
        """PostgreSQL is out of reach of both replicas, or of those at these places."""
        with ExitStack() as stack:
            for place in places or (0, 1):
                stack.enter_context(self.ways[place].fault("refuse"))
                self.ways[place].cut()
            yield

    async def add(self, vapi: SandboxVapi, **handling: object) -> tuple[str, str]:
        """An organization without access and its number, both known to both replicas."""
        number = str(vapi.add_number(provider="vapi")["id"])
        organization_id = await self.one.add_organization()
        if handling:
            body = {"handling": handling}
            await self.one.api("PATCH", f"/organizations/{organization_id}", body)
        await self.one.add_number(organization_id, number)
        await self.know(lambda directory: number in directory.numbers)
        return organization_id, number

    async def know(self, fact: Callable[[Any], bool]) -> None:
        """Wait until both directories have learned of a fact."""
        for one in (self.one, self.two):
            await until(fact, one.service.access.directory)

    async def change(self, organization_id: str, method: str, kind: str, body: object) -> None:
        """Change an entitlement at the first replica; both have learned of it on return."""
        answer = await self.one.api(method, f"/organizations/{organization_id}/{kind}", body)
        assert answer.status == 200, answer.json
        changed = answer.json[kind]

        def knows(directory: Any) -> bool:
            entry = next(
                one
                for one in directory.entries.values()
                if str(one.organization.id) == organization_id
            )
            return (getattr(entry.organization, kind) is None) == (changed is None)

        await self.know(knows)

    async def fetch(self, statement: str) -> Any:
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()

    async def settle(self) -> None:
        """Wait until PostgreSQL has all records and no memory differs from it."""
        for one in (self.one, self.two):
            await until(lambda spool: not spool.waiting, one.service.access.spool)
            await until(lambda known: not known.unconfirmed, one.service.access.gate.recorder.known)


@pytest.fixture
async def pair(vapi: SandboxVapi, dsn: str, tmp_path: Path) -> AsyncIterator[Pair]:
    async with proxied(app_dsn(dsn)) as left, proxied(app_dsn(dsn)) as right:
        settings = [settings_for(tmp_path / name, vapi.base_url) for name in ("one", "two")]
        async with replica(settings[0], left.dsn) as one, replica(settings[1], right.dsn) as two:
            yield Pair(one, two, (left, right), dsn)


async def until(fact: Callable[[Any], bool], thing: Any) -> None:
    """Wait until a fact is true of a thing."""
    await eventually(lambda: asyncio.sleep(0, fact(thing)), 30)


def later(message: Message, kind: str = "conversation-update") -> Message:
    """A later message of the same call."""
    return {"message": {**message["message"], "type": kind}}


async def post_all(to: Replica, messages: list[Message]) -> set[int]:
    """Post all messages at once; returns the statuses of the answers."""
    return {answer.status for answer in await asyncio.gather(*map(to.post, messages))}


async def statuses(pair: Pair, messages: list[Message]) -> set[int]:
    """How both replicas answer the next message of each call."""
    following = [later(message) for message in messages]
    return await post_all(pair.one, following) | await post_all(pair.two, following)


def living(vapi: SandboxVapi, messages: list[Message]) -> int:
    return sum(vapi.calls[message["message"]["call"]["id"]].live for message in messages)


async def test_granted_calls_go_on_at_the_other_replica(pair: Pair, vapi: SandboxVapi) -> None:
    organization_id, number = await pair.add(vapi)
    await pair.change(organization_id, "PUT", "trial", TRIAL)
    recorded = [vapi.live_call(number) for _ in range(CALLS)]
    spooled = [vapi.live_call(number) for _ in range(CALLS)]
    assert await post_all(pair.one, recorded) == {200}
    with pair.away(0):
        # Only the first replica's spool knows of these, and the other one asks PostgreSQL in vain.
        assert await post_all(pair.one, spooled) == {200}
        await end_trial(pair, organization_id)
        assert await post_all(pair.two, [later(one) for one in spooled]) == {200}
        with pair.away(1):
            assert await statuses(pair, recorded) == {200}
    await pair.settle()
    calls = [*recorded, *spooled]
    assert living(vapi, calls) == 2 * CALLS
    assert await statuses(pair, calls) == {200}
    rows = await pair.fetch("SELECT blocked, decision->>'basis' AS basis FROM callgate.calls")
    assert {(row["blocked"], row["basis"] == "reconstructed") for row in rows} == {(False, False)}
    assert len(rows) == 2 * CALLS


async def end_trial(pair: Pair, organization_id: str) -> None:
    """End the trial at the second replica, which reaches PostgreSQL."""
    answer = await pair.two.api("DELETE", f"/organizations/{organization_id}/trial")
    assert answer.status == 200, answer.json


async def test_blocked_calls_stay_blocked_after_a_payment(pair: Pair, vapi: SandboxVapi) -> None:
    organization_id, number = await pair.add(vapi)
    calls = [vapi.live_call(number) for _ in range(5)]
    assert await post_all(pair.one, calls) == {403}
    await pair.change(organization_id, "PUT", "plan", PLAN)
    with pair.away():
        assert await statuses(pair, calls) == {403}
        # A call that begins now is another matter.
        assert await post_all(pair.two, [vapi.live_call(number)]) == {200}
    await pair.settle()
    assert await statuses(pair, calls) == {403}
    rows = await pair.fetch("SELECT decision->>'basis' AS basis FROM callgate.calls WHERE blocked")
    assert [row["basis"] for row in rows] == ["fresh"] * 5
    await eventually(lambda: asyncio.sleep(0, not living(vapi, calls)), 30)


async def test_calls_end_with_access_where_the_organization_wants_it(
    pair: Pair, vapi: SandboxVapi
) -> None:
    organization_id, number = await pair.add(vapi, when_access_ends="hang_up")
    await pair.change(organization_id, "PUT", "trial", TRIAL)
    calls = [vapi.live_call(number) for _ in range(3)]
    with pair.away(0):
        assert await post_all(pair.one, calls) == {200}
        await end_trial(pair, organization_id)
        with pair.away(1):
            assert await post_all(pair.two, [later(one) for one in calls]) == {403}
            await eventually(lambda: asyncio.sleep(0, not living(vapi, calls)), 30)
    await pair.settle()
    rows = await pair.fetch("SELECT blocked FROM callgate.calls")
    assert [row["blocked"] for row in rows] == [False] * 3


async def test_calls_that_the_memory_dropped_are_not_cut(pair: Pair, vapi: SandboxVapi) -> None:
    organization_id, number = await pair.add(vapi)
    await pair.change(organization_id, "PUT", "trial", TRIAL)
    pair.one.service.access.gate.recorder.known.most = 5
    calls = [vapi.live_call(number) for _ in range(CALLS)]
    assert await post_all(pair.one, calls) == {200}
    await pair.change(organization_id, "DELETE", "trial", None)
    with pair.away():
        assert await post_all(pair.one, [later(one) for one in calls]) == {200}
    await pair.settle()
    assert living(vapi, calls) == CALLS
    assert await statuses(pair, calls) == {200}


def without_beginning(message: Message) -> Message:
    """A later message of the call that says nothing of when it began."""
    found = later(message)["message"]
    return {"message": {**found, "call": {**found["call"], "createdAt": None}, "startedAt": None}}


async def test_a_guess_hangs_up_nothing_that_another_replica_granted(
    pair: Pair, vapi: SandboxVapi
) -> None:
    """Without its beginning a call is judged by the present facts; only the answer says so."""
    organization_id, number = await pair.add(vapi)
    await pair.change(organization_id, "PUT", "trial", TRIAL)
    calls = [vapi.live_call(number) for _ in range(3)]
    blind = [without_beginning(call) for call in calls]
    with pair.away(0):
        assert await post_all(pair.one, calls) == {200}
        await end_trial(pair, organization_id)
        with pair.away(1):
            assert await post_all(pair.two, blind) == {403}
        # Its record is drained first; the other spool has the decisions from the beginning.
        await until(lambda spool: not spool.waiting, pair.two.service.access.spool)
    await pair.settle()
    known = pair.two.service.access.gate.recorder.known
    await until(lambda known: all(call.allowed for call in known.calls.values()), known)
    assert await statuses(pair, calls) == {200}
    rows = await pair.fetch("SELECT blocked, hangup_state FROM callgate.calls")
    assert {(row["blocked"], row["hangup_state"]) for row in rows} == {(False, None)}
    assert living(vapi, calls) == 3


@pytest.mark.parametrize("outage", [True, False], ids=["spooled", "recorded"])
async def test_messages_hang_up_a_guess_no_sooner_than_its_time(
    pair: Pair, vapi: SandboxVapi, *, outage: bool
) -> None:
    """Spools with other decisions may drain meanwhile; the call talks at both replicas."""
    organization_id, number = await pair.add(vapi)
    await pair.change(organization_id, "PUT", "trial", TRIAL)
    await pair.change(organization_id, "DELETE", "trial", None)
    call = vapi.live_call(number)
    began, blind = time.monotonic(), without_beginning(call)
    with pair.away() if outage else nullcontext():
        assert await post_all(pair.two, [blind]) == {403}
        if outage:
            await asyncio.sleep(RESTART_SECONDS + 0.1)
            began = time.monotonic()
    while living(vapi, [call]):
        assert await post_all(pair.two, [blind]) <= {403}
        assert await post_all(pair.one, [blind]) <= {403}
        await asyncio.sleep(0.2)
    assert GUESS_SECONDS <= time.monotonic() - began < GUESS_SECONDS + 10
    await pair.settle()
    known = pair.two.service.access.gate.recorder.known
    await until(lambda known: known.calls[call["message"]["call"]["id"]].hung_up, known)


async def test_a_call_that_no_message_reported_is_judged_as_of_its_beginning(
    start_replica: Start, vapi: SandboxVapi
) -> None:
    callgate = await start_replica(callgate_call_watch_interval=0.2)
    callgate.service.access.watch.grace = timedelta(seconds=1)
    number = vapi.add_number(provider="vapi")["id"]
    organization_id = await callgate.add_organization()
    await callgate.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
    await callgate.add_number(organization_id, number)
    call = vapi.live_call(number)
    await callgate.api("DELETE", f"/organizations/{organization_id}/plan")
    found = await eventually(lambda: callgate.call(call["message"]["call"]["id"]))
    assert (found["blocked"], found["reason"]) == (False, "plan_active")
    assert found["decision"]["basis"] == "reconstructed"
    assert living(vapi, [call]) == 1
