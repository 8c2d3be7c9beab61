"""A process that dies at any moment of any pass: another one brings the number to the same end, with
nothing foreign lost. No notification is used, so that a missed event costs nothing either."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from service.access.chain import AccessChain
from service.access.plugins import load_policies
from service.access.standing import StoredStandings
from service.domain.reconciliation import Ask
from service.reconcile.build import Reconciling, build_reconciling
from service.sandbox.server import SandboxVapi
from service.settings import Settings
from service.store import webhook_changes
from service.store.pool import Pool
from service.vapi.client import VapiClient
from tests.support.dying import DeathError, Fate, Mortal
from tests.support.reconciling import unpaced
from tests.support.service import SECRET, settings_for

URL = "https://calls.agency.net/api/vapi/webhook"
NEW_SECRET = "the-new-secret"
THEIR_HOOK = {"on": "call.ringing", "do": [{"type": "say", "exact": "Welcome!"}]}
FORMER = {
    "url": "https://old.example.net/hook",
    "timeoutSeconds": 7,
    "credentialId": "550e8400-e29b-41d4-a716-446655440000",
    "headers": {"X-Theirs": "keep"},
}
MESSAGE = "No calls at the moment."

ADD = """
WITH owner AS (
    INSERT INTO callgate.organizations (name, blocked_message, handling)
    VALUES ('Bakery', $2, $3) RETURNING id),
number AS (
    INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id, gate, created_at)
    SELECT id, $1, $4, now() - interval '1 hour' FROM owner RETURNING id, organization_id),
state AS (
    INSERT INTO callgate.webhook_states (phone_number_id, ordered_by, ordered_from)
    SELECT id, 'ada', 'api' FROM number)
SELECT id, organization_id FROM number
"""

# What time does: leases run out, and what waits for its next attempt becomes due.
TIME_PASSES = (
    "UPDATE callgate.webhook_states SET claimed_until = NULL",
    "UPDATE callgate.assistant_webhooks SET claimed_until = NULL",
    "UPDATE callgate.webhook_states SET next_attempt_at = now() WHERE next_attempt_at > now()",
)


@dataclass
class World:
    """One number, what it was before us, and what is done to it."""

    vapi: SandboxVapi
    pool: Pool
    settings: Settings
    number_id: str = ""
    assistant_id: str = ""
    id: UUID = field(default_factory=lambda: UUID(int=0))
    owner: UUID = field(default_factory=lambda: UUID(int=0))
    first: dict[str, Any] = field(default_factory=dict)

    @asynccontextmanager
    async def parts(self, fate: Fate | None = None) -> AsyncIterator[Reconciling]:
        """A process; mortal with a fate."""
        settings = self.settings
        async with aiohttp.ClientSession() as session:
            client: Any = VapiClient(session, settings.vapi_api_url, settings.vapi_api_key, unpaced)
            pool: Any = self.pool
            if fate is not None:
                client, pool = Mortal(client, fate), Mortal(pool, fate)
            chain = AccessChain(load_policies().policies)
            standings = StoredStandings(pool, chain, "Not in service.", ring_default=False)
            yield build_reconciling(settings, pool, client, standings)

    async def add(self, *, gate: str = "event", **handling: object) -> None:
        """A number with a history of its own, registered and not configured yet."""
        assistant = self.vapi.add_assistant(name="Order taker", server={"url": FORMER["url"]})
        self.assistant_id = assistant["id"]
        bound = {"assistantId": self.assistant_id} if gate == "request" else {}
        self.number_id = self.vapi.add_number(
            provider="vapi",
            name="Line",
            server=deepcopy(FORMER),
            hooks=[deepcopy(THEIR_HOOK)],
            **bound,
        )["id"]
        self.first = deepcopy(self.vapi.numbers.find(self.number_id) or {})
        row = await self.pool.fetchrow(ADD, self.number_id, MESSAGE, handling, gate)
        assert row is not None
        self.id, self.owner = row["id"], row["organization_id"]

    async def settle(self) -> None:
        """Healthy processes do what a running service does, a few times over."""
        async with self.parts() as parts:
            for _ in range(3):
                for statement in TIME_PASSES:
                    await self.pool.execute(statement)
                await parts.sweeper.work_off()
                await parts.sweeper.sweep(Ask(seconds=None))

    def number(self) -> dict[str, Any]:
        return self.vapi.numbers.find(self.number_id) or {}

    def says(self) -> list[str]:
        return [hook["do"][0]["exact"] for hook in self.number().get("hooks") or []]

    async def state(self) -> Any:
        return await self.pool.fetchrow(
            "SELECT * FROM callgate.webhook_states WHERE phone_number_id = $1", self.id
        )

    async def due(self) -> None:
        await self.pool.execute(
            "UPDATE callgate.webhook_states SET next_attempt_at = now() WHERE phone_number_id = $1",
            self.id,
        )

    def is_configured(self, secret: str = SECRET) -> None:
        """Ours is there, and theirs still is."""
        server = self.number()["server"]
        assert server["url"] == URL
        assert server["headers"] == {"X-Theirs": "keep", "X-Vapi-Secret": secret}
        assert server["credentialId"] == FORMER["credentialId"]
        assert self.number()["name"] == "Line"
        assert THEIR_HOOK in self.number()["hooks"]

    def is_as_before(self) -> None:
        """As if we had never been there."""
        found = self.number()
        for key in ("server", "hooks", "assistantId", "fallbackDestination", "name"):
            assert (found.get(key) or None) == (self.first.get(key) or None), key

    async def kept_well(self) -> None:
        """What is owed back is what was there at the very beginning."""
        row = await self.state()
        assert row["original"]["server"] == FORMER
        assert row["state"] == "in_sync", row["last_error"]
        written = len(self.vapi.requests(f"PATCH /phone-number/{self.number_id}"))
        noted = await self.pool.fetchval(
            "SELECT count(*) FROM callgate.webhook_changes "
            "WHERE phone_number_id = $1 AND level = 'phone_number'",
            self.id,
        )
        assert noted >= written, "a change at Vapi left no trace"


Step = Callable[[World], Awaitable[None]]


async def configure(_world: World) -> None:
    """Nothing more: the number was just added."""


async def drift(world: World) -> None:
    await world.settle()
    world.vapi.edit_number(
        world.number_id,
        server={**FORMER, "url": "https://new.example.net", "staticIpAddressesEnabled": True},
    )
    await world.due()


async def release(world: World) -> None:
    await world.settle()
    await world.pool.execute(
        "UPDATE callgate.phone_numbers SET released_at = now(), organization_id = NULL "
        "WHERE id = $1",
        world.id,
    )
    await world.due()


async def rotate(world: World) -> None:
    await world.settle()
    world.settings = world.settings.model_copy(
        update={
            "vapi_webhook_secret": type(world.settings.vapi_webhook_secret)(
                f"{NEW_SECRET},{SECRET}"
            )
        }
    )
    await world.due()


async def own_the_assistant(world: World) -> None:
    await world.pool.execute(
        "INSERT INTO callgate.assistants (vapi_assistant_id, organization_id) VALUES ($1, $2)",
        world.assistant_id,
        world.owner,
    )


async def shadow(world: World) -> None:
    await world.settle()
    await own_the_assistant(world)
    world.vapi.edit_number(world.number_id, assistantId=world.assistant_id)
    await world.due()


async def release_shadowed(world: World) -> None:
    await shadow(world)
    await world.settle()
    await release(world)


async def pay(world: World) -> None:
    await world.settle()
    assert world.says() == [MESSAGE, "Welcome!"]
    await world.pool.execute(
        "INSERT INTO callgate.plans (organization_id, code, status) VALUES ($1, 'pro', 'active')",
        world.owner,
    )


async def stop_paying(world: World) -> None:
    await pay(world)
    await world.settle()
    assert world.says() == ["Welcome!"]
    await world.pool.execute("DELETE FROM callgate.plans WHERE organization_id = $1", world.owner)


async def rebind(world: World) -> None:
    await world.settle()
    assert world.number().get("assistantId") is None
    await world.pool.execute(
        "UPDATE callgate.phone_numbers SET gate = 'event' WHERE id = $1", world.id
    )
    await world.due()


async def in_sync(world: World) -> None:
    secrets = world.settings.webhook_secrets
    world.is_configured(secrets[0])
    await world.kept_well()


async def blocked(world: World) -> None:
    await in_sync(world)
    assert world.says() == [MESSAGE, "Welcome!"]


async def unblocked(world: World) -> None:
    await in_sync(world)
    assert world.says() == ["Welcome!"]


async def released(world: World) -> None:
    world.is_as_before()
    assert await world.state() is None


async def carried(world: World) -> None:
    """The assistant carries the webhook, and keeps what was its own."""
    await in_sync(world)
    server = (world.vapi.assistants.find(world.assistant_id) or {})["server"]
    assert (server["url"], server["headers"]) == (URL, {"X-Vapi-Secret": SECRET})


async def given_back(world: World) -> None:
    assert await world.state() is None
    world.first["assistantId"] = world.assistant_id  # it was bound by others, later
    world.is_as_before()
    server = (world.vapi.assistants.find(world.assistant_id) or {})["server"]
    assert server == {"url": FORMER["url"]}


async def unbound(world: World) -> None:
    await in_sync(world)
    assert world.number().get("assistantId") is None
    answer = await world.pool.fetchval(
        "SELECT answer_with FROM callgate.phone_numbers WHERE id = $1", world.id
    )
    assert answer == {"assistantId": world.assistant_id}


async def bound_again(world: World) -> None:
    row = await world.state()
    assert world.number()["assistantId"] == world.assistant_id
    assert row["unbound"] is None


CASES: dict[str, tuple[Step, Step, dict[str, Any], int]] = {
    "configure": (configure, in_sync, {}, 8),
    "drift": (drift, in_sync, {}, 8),
    "rotate": (rotate, in_sync, {}, 8),
    "release": (release, released, {}, 6),
    "assistant": (shadow, carried, {}, 12),
    "release with assistant": (release_shadowed, given_back, {}, 12),
    "ring on": (configure, blocked, {"ring_gate": True}, 10),
    "ring off": (pay, unblocked, {"ring_gate": True}, 8),
    "ring on again": (stop_paying, blocked, {"ring_gate": True}, 8),
    "release with ring": (release, released, {"ring_gate": True}, 6),
    "unbind": (configure, unbound, {"gate": "request"}, 10),
    "rebind": (rebind, bound_again, {"gate": "request"}, 8),
    "release unbound": (release, released, {"gate": "request"}, 6),
}


@pytest.fixture
async def world(vapi: SandboxVapi, pool: Pool, tmp_path: Path) -> World:
    settings = settings_for(vapi, tmp_path, vapi_webhook_url=URL)
    return World(vapi, pool, settings)


async def start_again(world: World) -> None:
    """A new number each time, on the same database."""
    await world.pool.execute("DELETE FROM callgate.webhook_states")
    await world.pool.execute("DELETE FROM callgate.phone_numbers")
    await world.pool.execute("DELETE FROM callgate.assistant_webhooks")
    await world.pool.execute("DELETE FROM callgate.organizations")
    for shelf in (world.vapi.numbers, world.vapi.assistants):
        for item in list(shelf):
            shelf.remove(item["id"])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", CASES)
async def test_a_death_at_any_moment(world: World, name: str, after: bool) -> None:
    begin, check, given, least = CASES[name]
    settings, place = world.settings, 0
    while True:
        world.settings = settings
        await world.add(**given)
        await begin(world)
        fate = Fate(place, after=after)
        try:
            async with world.parts(fate) as parts:
                await parts.reconciler.reconcile_due(world.id)
        except DeathError:
            pass
        await world.settle()
        await check(world)
        if not fate.dead:
            break
        await start_again(world)
        place += 1
    assert place >= least, fate.calls


@pytest.mark.parametrize("name", CASES)
async def test_answers_that_are_out_of_date(world: World, name: str) -> None:
    """Every second GET, then the first, second, third of a pass, answers what was before."""
    begin, check, given, _ = CASES[name]
    settings = world.settings
    for every in (1, 2, 3):
        world.settings = settings
        await world.add(**given)
        await begin(world)
        world.vapi.fail("GET /phone-number/*", stale=True, every=every, times=3)
        world.vapi.fail("GET /assistant/*", stale=True, every=every, times=2)
        async with world.parts() as parts:
            for _ in range(3):
                await parts.reconciler.reconcile_due(world.id)
        world.vapi.faults.clear()
        await world.settle()
        await check(world)
        await start_again(world)


async def test_whoever_wakes_up_late_writes_nothing(world: World) -> None:
    """A process that stood still, while another one took its number over, is fenced off."""
    await world.add()
    fate = Fate()
    async with world.parts(fate) as late, world.parts() as healthy:
        stood_still = False

        async def stand_still(name: str, call: Callable[[], Any]) -> Any:
            nonlocal stood_still
            result = await call()
            if name == "get_phone_number" and not stood_still:
                stood_still = True
                for statement in TIME_PASSES:
                    await world.pool.execute(statement)
                await healthy.reconciler.reconcile(world.id)
                await world.pool.execute(
                    "UPDATE callgate.webhook_states SET paused_at = now(), paused_by = 'ada', "
                    "paused_reason = 'look', state = 'paused'"
                )
                world.vapi.edit_number(world.number_id, server=deepcopy(FORMER))
            return result

        fate.around = stand_still  # type: ignore[method-assign]
        writes = len(world.vapi.requests("PATCH *"))
        await late.reconciler.reconcile_due(world.id)
    assert stood_still
    assert len(world.vapi.requests("PATCH *")) == writes + 1, "only the healthy one wrote"
    assert world.number()["server"] == FORMER
    assert (await world.state())["state"] == "paused"


async def test_a_roll_back_that_is_cut_short_can_be_done_again(world: World) -> None:
    await world.add()
    await world.settle()
    change = (await webhook_changes.list_page(world.pool, world.id, None, 1))[0]
    await world.pool.execute(
        "UPDATE callgate.webhook_states SET paused_at = now(), paused_by = 'ada', "
        "paused_reason = 'rolled back', state = 'paused'"
    )
    place = 0
    while True:
        fate = Fate(place)
        try:
            async with world.parts(fate) as parts:
                await parts.reconciler.roll_back(world.id, change)
        except DeathError:
            pass
        for statement in TIME_PASSES:
            await world.pool.execute(statement)
        async with world.parts() as parts:
            await parts.reconciler.roll_back(world.id, change)
        assert world.number()["server"] == FORMER
        assert (await world.state())["state"] == "paused"
        if not fate.dead:
            break
        place += 1
    assert place >= 5
