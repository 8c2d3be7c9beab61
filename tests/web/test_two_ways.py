"""The straight way and the general way answer alike, and leave the same behind.

Histories of requests go, byte for byte, to two listeners of one replica: one with the straight way, one
without it. Each history is about calls of its own.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.sandbox.server import SandboxVapi
from service.serve.listeners import bind, listening
from service.serve.replica import running
from service.store.roles import app_dsn
from service.web.connections.straight_parser import (
    OpenedMessage,
    RequestContent,
    RequestHead,
    Straight,
)
from tests.support.odd_requests import (
    BODIES,
    FRAMES,
    KINDS,
    LIMIT,
    OWNERS,
    PLACES,
    SECRETS,
    Senders,
    Step,
    replies_to,
)
from tests.support.raw_http import RawConnection, RawReply
from tests.support.service import Replica, unused_port
from tests.support.settings import settings_for

NUMBERS = itertools.count(1)
EARLIER = {"type": "status-update", "status": "in-progress"}


def mostly(usual: str, *others: str) -> st.SearchStrategy[str]:
    return st.one_of(st.just(usual), st.just(usual), st.sampled_from(others))


CALLS = st.integers(0, 1)
USUAL = st.builds(Step, st.sampled_from(KINDS), st.sampled_from(OWNERS), call=CALLS)
ODD = st.builds(
    Step,
    st.sampled_from(KINDS),
    st.sampled_from(OWNERS),
    mostly(*SECRETS),
    mostly(*PLACES),
    mostly(*BODIES),
    mostly(*FRAMES),
    CALLS,
)


@dataclass(slots=True)
class Counted:
    """The straight way, and how many requests it answered."""

    straight: Straight
    answered: int = 0

    def take(self, head: RequestHead, content: RequestContent) -> bytes | OpenedMessage | None:
        taken = self.straight.take(head, content)
        self.answered += isinstance(taken, bytes)
        return taken


@dataclass(slots=True)
class Ways:
    """The senders of one replica, and its two ports."""

    senders: Senders
    counted: Counted
    straight: int
    general: int

    @property
    def callgate(self) -> Replica:
        return self.senders.callgate


async def live(ways: Ways, port: int, steps: list[Step], calls: list[str]) -> list[Any]:
    """Play a history over one connection, opened again when the server closes it."""
    seen: list[Any] = []
    connection = None
    try:
        for step in steps:
            if connection is None:
                connection = await RawConnection.open(port)
                first = Step(EARLIER, step.owner, "master", call=step.call)
                await connection.send(ways.senders.parts(first, calls[step.call]))
                seen.append(shown(await connection.read(), calls))
            await connection.send(ways.senders.parts(step, calls[step.call]))
            for _ in range(replies_to(step)):
                reply = await connection.read(bodiless=step.frame == "HEAD")
                seen.append(shown(reply, calls))
                if reply is not None and reply.status == 100:
                    seen.append(shown(await connection.read(), calls))
            if reply is None or reply.headers.get("connection") == "close":
                connection.close()
                connection = None
    finally:
        if connection is not None:
            connection.close()
    return seen


def shown(reply: RawReply | None, calls: list[str]) -> Any:
    """A reply without what differs from call to call and from second to second."""
    if reply is None:
        return None
    headers = {name: value for name, value in reply.headers.items() if name != "date"}
    body: Any = reply.body
    if reply.body and "json" in headers.get("content-type", ""):
        body = orjson.loads(reply.body)
        if body.get("decision_id"):
            body["decision_id"] = "decision"
    return reply.status, headers, body


async def left_behind(ways: Ways, calls: list[str]) -> list[Any]:
    """What the service keeps of the calls: their rows and steps."""
    access = ways.callgate.service.access
    for call_id in calls:
        for owner in (None, *map(UUID, ways.senders.owners.values())):
            await access.gate.recorder.answered.wait_for((call_id, owner))
    await access.events.flush()
    found = []
    for call_id in calls:
        call = await ways.callgate.call(call_id)
        names = "organization_id", "phone_number_id", "blocked", "reason", "type", "gate"
        row = None if call is None else {name: call[name] for name in names}
        steps = await access.events.pool.fetch(
            "SELECT kind, detail FROM callgate.call_events WHERE vapi_call_id = $1 "
            "AND kind = 'message' ORDER BY id",
            call_id,
        )
        known = access.gate.recorder.known.calls.get(call_id)
        found.append(
            (row, [tuple(step) for step in steps], known and (known.allowed, known.reason))
        )
    return found


def counts(ways: Ways) -> dict[Any, float]:
    """The counters of messages."""
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in ways.callgate.service.web.webhook.metrics.webhooks.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }


async def compare(ways: Ways, steps: list[Step]) -> None:
    """Play a history both ways; answers, rows, steps, counters and marks of secrets are the same."""
    found = []
    for port in (ways.straight, ways.general):
        number = next(NUMBERS)
        calls = [f"{number:08x}-0000-4000-8000-00000000000{place}" for place in range(2)]
        before, uses = counts(ways), ways.callgate.service.web.uses
        uses.used.clear()
        seen = await live(ways, port, steps, calls)
        after = counts(ways)
        counted = {key: after[key] - before.get(key, 0) for key in after}
        counted = {key: value for key, value in counted.items() if value}
        marks = set(uses.used)
        found.append((seen, counted, marks, await left_behind(ways, calls)))
    one, two = found
    for ours, theirs in zip(one, two, strict=True):
        assert ours == theirs


@asynccontextmanager
async def two_ways(vapi: SandboxVapi, dsn: str, folder: Path) -> AsyncIterator[Ways]:
    """A replica with a listener for each way. Hang-ups are out of reach, and so leave no steps."""
    given = settings_for(
        folder, vapi.base_url, callgate_max_body_bytes=LIMIT, callgate_relay_hosts="localhost"
    )
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(running(given, app_dsn(dsn)))
        await service.background.stop("call_events", "secret_uses")  # the test does it
        counted = Counted(service.web.straight)
        web = replace(service.web, straight=counted)  # type: ignore[arg-type]
        ports = [unused_port(), unused_port()]
        sockets = [bind("127.0.0.1", port, "CALLGATE_PORT", reuse_port=False) for port in ports]
        await stack.enter_async_context(
            listening(replace(service, web=web), sockets, shutdown_seconds=1)
        )
        session = await stack.enter_async_context(aiohttp.ClientSession())
        callgate = Replica(service, session, f"http://127.0.0.1:{ports[1]}")
        senders = Senders(callgate)
        await senders.add(vapi)
        yield Ways(senders, counted, ports[0], ports[1])


@pytest.fixture
async def ways(vapi: SandboxVapi, dsn: str, tmp_path: Path) -> AsyncIterator[Ways]:
    async with two_ways(vapi, dsn, tmp_path / "replica") as found:
        yield found


TALK = KINDS[0]
SINGLE = [
    *(Step(kind, owner) for kind in KINDS for owner in OWNERS),
    *(Step(TALK, "paying", secret) for secret in SECRETS),
    *(Step(TALK, "blocked", "own", place) for place in PLACES),
    *(Step(TALK, "paying", "master", place) for place in PLACES),
    *(Step(TALK, body=body) for body in BODIES),
    *(Step(TALK, frame=frame) for frame in FRAMES),
]


async def test_each_kind_of_request_is_answered_alike(ways: Ways) -> None:
    for step in SINGLE:
        await compare(ways, [step, step])
    answered = ways.counted.answered
    assert answered > len(SINGLE) / 2


async def test_any_history_is_answered_alike(ways: Ways) -> None:
    histories: list[list[Step]] = []

    @settings(max_examples=25, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.one_of(USUAL, USUAL, ODD), min_size=1, max_size=8))
    def collect(steps: list[Step]) -> None:
        histories.append(steps)

    collect()
    for steps in histories:
        talk = Step(TALK, steps[0].owner, call=steps[0].call)
        await compare(ways, [talk, talk, *steps])
    answered = ways.counted.answered
    assert answered > len(histories) / 3


ASKS = {"type": "assistant-request"}
NEW = [
    *(Step(ASKS, owner, call=1) for owner in OWNERS),
    *(Step(ASKS, "paying", secret, call=1) for secret in SECRETS),
    *(Step(ASKS, owner, place=place, call=1) for owner in OWNERS for place in PLACES),
    *(Step(ASKS, body=body, call=1) for body in BODIES),
    *(Step(ASKS, frame=frame, call=1) for frame in FRAMES),
]


async def test_new_calls_are_answered_alike_while_records_are_on_their_way(ways: Ways) -> None:
    """None is alone, so none waits for its record: the straight way decides them."""
    recorder = ways.callgate.service.access.gate.recorder
    recorder.answered.recording["another", None] = asyncio.get_running_loop().create_future()
    numbers = (await ways.callgate.api("GET", "/phone-numbers")).json["items"]
    relayed = ways.senders.owners["forwarding"]
    (asked,) = [one["id"] for one in numbers if one["organization_id"] == relayed]
    await ways.callgate.api("PATCH", f"/phone-numbers/{asked}", {"answer_with": None})
    for step in NEW:
        talk = Step(TALK, step.owner)
        after = [Step(kind, step.owner, call=1) for kind in (ASKS, TALK, KINDS[-3])]
        before = ways.counted.answered
        await compare(ways, [talk, step, *after])
        usual = step.owner != "forwarding" and replace(step, owner="paying") == NEW[0]
        assert not usual or ways.counted.answered == before + 3
