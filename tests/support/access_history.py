"""A history of changes to organizations and of answers to calls, and the check that they agree.

Answers are judged by the instants of commits: an answer may follow any state that was in force within
`bound` seconds before the question was sent, or since. Changes and questions are of this machine, whose
clock is PostgreSQL's as well.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import asyncpg

from service.sandbox.server import SandboxVapi
from service.store.roles import app_dsn
from tests.support.service import Replica, eventually, replica
from tests.support.settings import settings_for
from tests.support.tcp_proxy import TcpProxy, proxied

ALLOW = """
WITH unblocked AS (DELETE FROM callgate.overrides WHERE organization_id = $1)
INSERT INTO callgate.plans (organization_id, code, status) VALUES ($1, 'pro', 'active')
ON CONFLICT DO NOTHING
"""
BLOCK = """
INSERT INTO callgate.overrides (organization_id, effect, reason, author)
VALUES ($1, 'deny', 'history', 'test')
"""
UNPAY = "DELETE FROM callgate.plans WHERE organization_id = $1"
TRY = """
WITH unpaid AS (DELETE FROM callgate.plans WHERE organization_id = $1)
INSERT INTO callgate.trials (organization_id, starts_at, ends_at)
VALUES ($1, to_timestamp($2) - interval '1 day', to_timestamp($2))
ON CONFLICT ON CONSTRAINT trials_pkey DO UPDATE
SET starts_at = EXCLUDED.starts_at, ends_at = EXCLUDED.ends_at
"""
TRIAL_SECONDS = 1.0
WAYS_TO_END = ("block", "unpay", "trial")
ANSWER = {"assistantId": "a-1"}


@dataclass(frozen=True, slots=True)
class Change:
    """A state of access that came into force between two instants: those around its commit."""

    allowed: bool
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to the first message of a call."""

    replica: int
    organization_id: UUID
    allowed: bool
    sent: float
    received: float


@dataclass(slots=True)
class History:
    """All changes by organization, in their order, and all answers."""

    changes: dict[UUID, list[Change]] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)

    def lateness(self, answer: Answer) -> float:
        """For how many seconds before the question the opposite had been in force; 0 if it fits."""
        known = [
            one for one in self.changes[answer.organization_id] if one.before < answer.received
        ]
        fitting = [place for place, one in enumerate(known) if one.allowed == answer.allowed]
        opposite = known[fitting[-1] + 1 if fitting else 0 :]
        return max(answer.sent - opposite[0].after, 0.0) if opposite else 0.0

    def worst(self, since: float, until: float) -> tuple[float, Answer | None]:
        """The latest of the answers to questions within two instants."""
        asked = [one for one in self.answers if since <= one.sent < until]
        late = [(self.lateness(one), one) for one in asked]
        return max(late, key=lambda pair: pair[0], default=(0.0, None))


@dataclass(slots=True)
class Trial:
    """Replicas, each behind a proxy, whose organizations change while calls come in all the time."""

    replicas: list[Replica]
    proxies: list[TcpProxy]
    vapi: SandboxVapi
    numbers: dict[UUID, str]
    history: History = field(default_factory=History)
    pause: float = 0.02
    """Seconds between two questions to one replica, and between two changes."""

    async def change_forever(self, dsn: str) -> None:
        """Change organizations at random, directly in PostgreSQL."""
        connection = await asyncpg.connect(dsn)
        try:
            while True:
                await self.change(connection, random.choice(list(self.numbers)))
                await asyncio.sleep(self.pause)
        finally:
            connection.terminate()

    async def change(self, connection: "asyncpg.Connection[asyncpg.Record]", owner: UUID) -> None:
        """Give access to an organization, or end it at once or in a second; note the commit."""
        changes = self.history.changes[owner]
        allowed, before = changes[-1].allowed, time.time()
        if before < changes[-1].after + TRIAL_SECONDS / 2:
            return
        way = random.choice(WAYS_TO_END) if allowed else "allow"
        if way == "trial":
            ends_at = before + TRIAL_SECONDS
            await connection.execute(TRY, owner, ends_at)
            # A commit that took longer than the trial is what ended the access.
            changes.append(Change(False, ends_at, max(ends_at, time.time())))
            return
        await connection.execute({"allow": ALLOW, "block": BLOCK, "unpay": UNPAY}[way], owner)
        changes.append(Change(not allowed, before, time.time()))

    async def ask_forever(self, place: int) -> None:
        """Ask one replica about new calls of all organizations."""
        while True:
            owner = random.choice(list(self.numbers))
            message = self.vapi.live_call(self.numbers[owner], kind="assistant-request")
            sent = time.time()
            reply = await self.replicas[place].post(message)
            assert reply.status == 200, reply.json
            answer = Answer(place, owner, "assistantId" in reply.json, sent, time.time())
            self.history.answers.append(answer)
            await asyncio.sleep(self.pause)

    async def settle(self) -> None:
        """Wait until every replica's directory is fresh."""
        directories = [one.service.access.directory for one in self.replicas]

        async def fresh() -> bool:
            return all(one.basis == "fresh" for one in directories)

        await eventually(fresh, 20)


@asynccontextmanager
async def on_trial(
    vapi: SandboxVapi, dsn: str, folder: Path, *, replicas: int, organizations: int, askers: int = 4
) -> AsyncIterator[Trial]:
    """A trial under way; an error of what changes or asks ends it."""
    async with AsyncExitStack() as stack:
        trial = Trial([], [], vapi, {})
        for count in range(replicas):
            proxy = await stack.enter_async_context(proxied(dsn))
            settings = settings_for(folder / f"replica-{count}", vapi.base_url)
            one = await stack.enter_async_context(replica(settings, app_dsn(proxy.dsn)))
            trial.proxies.append(proxy)
            trial.replicas.append(one)
        for count in range(organizations):
            owner = UUID(await trial.replicas[0].add_organization(f"Organization {count}"))
            number = vapi.add_number(provider="vapi")["id"]
            await trial.replicas[0].add_number(str(owner), number, answer_with=ANSWER)
            trial.numbers[owner] = number
            trial.history.changes[owner] = [Change(False, 0.0, 0.0)]
        await trial.settle()
        async with asyncio.TaskGroup() as group:
            works = [group.create_task(trial.change_forever(dsn))]
            works += [
                group.create_task(trial.ask_forever(place))
                for place in range(replicas)
                for _ in range(askers)
            ]
            yield trial
            for work in works:
                work.cancel()
        for proxy in trial.proxies:
            proxy.cut()  # or closing would wait for half-open connections
