"""Two replicas, each with a way of its own to PostgreSQL, under traffic while the ways are harmed.

Every call begins on one replica and goes on and ends on the other. Afterwards the records, the answers
and Vapi's calls are compared: nothing that was acknowledged may be lost or contradicted.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol

import asyncpg
from typing_extensions import TypeVar

from service.sandbox.server import SandboxVapi
from service.store.roles import app_dsn
from tests.support.replies import Reply
from tests.support.service import Replica, eventually, replica
from tests.support.settings import settings_for
from tests.support.tcp_proxy import ProxiedConnection, TcpProxy, every, proxied

PLAN = {"code": "pro", "status": "active"}
ENDED = {"endedReason": "customer-ended-call", "durationSeconds": 1, "cost": 0.25}
ROWS = """
SELECT vapi_call_id, blocked, status, ended_at, cost::float8 AS cost, hangup_state FROM callgate.calls
WHERE vapi_call_id = ANY($1::text[])
"""
LASTS_SECONDS = 0.4
RETRY_SECONDS = 0.3
CALM_SECONDS = 0.3


class Posting(Protocol):
    """A replica that messages are posted to, in this process or in another one."""

    async def post(self, message: object) -> Reply: ...


ReplicaT = TypeVar("ReplicaT", bound=Posting, default=Replica)

Harm = Callable[[TcpProxy], AbstractContextManager[object]]


def open_now(proxy: TcpProxy) -> Callable[[ProxiedConnection], bool]:
    """Choose the connections that are open now; new ones work."""
    chosen = set(proxy.connections)
    return lambda one: one in chosen


def cut_off(proxy: TcpProxy) -> AbstractContextManager[object]:
    """No connection works and none can be opened."""
    context = proxy.fault("refuse", every)
    stack = ExitStack()
    stack.enter_context(context)
    proxy.cut()
    return stack


HARMS: Mapping[str, Harm] = {
    "cut": lambda proxy: nullcontext(proxy.cut()),
    "cut off": cut_off,
    "stalled": lambda proxy: proxy.fault("stall", every),
    "half-open": lambda proxy: proxy.fault("black_hole", open_now(proxy)),
    "200 ms of latency": lambda proxy: proxy.fault("delay", every, 0.1),
}
"""What is done to a way to PostgreSQL, for the time of the context."""


@dataclass(slots=True)
class Traffic(Generic[ReplicaT]):
    """Calls of a paying and of a blocked organization, and what the replicas answered."""

    replicas: Sequence[ReplicaT]
    ways: list[TcpProxy]
    vapi: SandboxVapi
    paying: str
    blocked: str
    dsn: str
    answers: dict[str, list[int]] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    begun: int = 0

    async def run(self, seconds: float, pause: float) -> None:
        """Begin calls, one each `pause` seconds, in turn on each replica."""
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            task = asyncio.create_task(self.call(self.begun))
            self.begun += 1
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
            await asyncio.sleep(pause)

    async def call(self, number: int) -> None:
        """One call: it begins on one replica, and its other messages reach the other one."""
        granted = number % 4 != 0
        message = self.vapi.live_call(self.paying if granted else self.blocked)
        one, other = self.replicas[number % 2], self.replicas[1 - number % 2]
        await self.post(one, message)
        await asyncio.sleep(LASTS_SECONDS * random.random())
        await self.post(other, changed(message, "conversation-update"))
        if granted:
            self.vapi.hang_up(message["message"]["call"]["id"])
            await self.post(other, changed(message, "end-of-call-report", **ENDED))

    async def post(self, to: Posting, message: dict[str, Any]) -> None:
        """Post a message until it is answered, as Vapi does; a 503 is no answer."""
        call_id = message["message"]["call"]["id"]
        while True:
            reply = await to.post(message)
            if reply.status != 503:
                self.answers.setdefault(call_id, []).append(reply.status)
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def endure(self, harm: Harm, ways: list[TcpProxy], seconds: float, pause: float) -> None:
        """Harm ways to PostgreSQL for a time under traffic, with some traffic before and after."""
        running = asyncio.create_task(self.run(seconds + 2 * CALM_SECONDS, pause))
        await asyncio.sleep(CALM_SECONDS)
        with ExitStack() as stack:
            for way in ways:
                stack.enter_context(harm(way))
            await asyncio.sleep(seconds)
        await running

    async def settle(self, seconds: float) -> list[str]:
        """Wait until nothing is wrong, at most `seconds`; returns what still is."""
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=seconds)
        found: list[str] = []

        async def well() -> bool:
            found[:] = await self.find_faults()
            return not found

        with suppress(TimeoutError):
            await eventually(well, seconds)
        return found

    async def find_faults(self) -> list[str]:
        """What contradicts itself: calls, their rows, the answers and Vapi."""
        counts: Counter[str] = Counter()
        for faults in (await self.find_wrong()).values():
            counts.update(faults)
        if waiting := len(self.tasks):
            counts["calls whose messages are not answered"] += waiting
        return [f"{count} {fault}" for fault, count in sorted(counts.items())]

    async def find_wrong(self) -> dict[str, list[str]]:
        """The calls with something wrong, each with what it is."""
        connection = await asyncpg.connect(self.dsn)
        try:
            asked = await connection.fetch(ROWS, list(self.answers))
        finally:
            await connection.close()
        rows = {row["vapi_call_id"]: row for row in asked}
        found = {
            call_id: self.faults_of(call_id, statuses, rows.get(call_id))
            for call_id, statuses in list(self.answers.items())
        }
        return {call_id: faults for call_id, faults in found.items() if faults}

    def faults_of(self, call_id: str, statuses: list[int], row: Any) -> list[str]:
        """What is wrong with one call."""
        if row is None:
            return ["answered calls without a row"]
        found = []
        expected = 403 if row["blocked"] else 200
        if set(statuses) != {expected}:
            found.append("calls answered against their record")
        if row["blocked"] and self.vapi.calls[call_id].live:
            found.append("blocked calls alive")
        if not row["blocked"] and (row["ended_at"] is None or row["cost"] is None):
            found.append("calls without their end or cost")
        return found


def changed(message: dict[str, Any], kind: str, **fields: object) -> dict[str, Any]:
    """Another message of the same call."""
    return {"message": {**message["message"], "type": kind, **fields}}


@asynccontextmanager
async def traffic(vapi: SandboxVapi, dsn: str, folder: Path) -> AsyncIterator[Traffic]:
    """Two replicas that know both organizations, ready for calls. Nothing repairs by Vapi's list."""
    off = {"callgate_call_watch_interval": 0}
    async with proxied(app_dsn(dsn)) as left, proxied(app_dsn(dsn)) as right:
        settings = [settings_for(folder / one, vapi.base_url, **off) for one in ("one", "two")]
        async with replica(settings[0], left.dsn) as one, replica(settings[1], right.dsn) as two:
            paying, blocked = (str(vapi.add_number(provider="vapi")["id"]) for _ in range(2))
            owner = await one.add_organization("Paying")
            await one.api("PUT", f"/organizations/{owner}/plan", PLAN)
            await one.add_number(owner, paying)
            await one.add_number(await one.add_organization("Blocked"), blocked)

            async def known() -> bool:
                directory = two.service.access.directory
                return blocked in directory.numbers and paying in directory.numbers

            await eventually(known)
            yield Traffic([one, two], [left, right], vapi, paying, blocked, dsn)
            for way in (left, right):
                way.cut()  # or closing would wait for half-open connections
