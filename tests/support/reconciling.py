"""Very many registered numbers, and the reconciler's parts on a real database without a service."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from service.access.policies.chain import AccessChain
from service.access.policies.plugins import load_policies
from service.access.standings import AccessStandings
from service.domain.errors import ConflictError
from service.domain.phone_numbers import Order
from service.domain.priority import Priority
from service.domain.sweeps import SweepReport, SweepRequest
from service.reconcile.build import Reconciling, build_reconciling
from service.reconcile.desired import DesiredWebhook, desired_webhook
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.applied import applied_of
from service.sandbox.server import SandboxVapi
from service.settings import Settings
from service.store.pool import Pool
from service.store.reconcile import state as reconciliation
from service.vapi.client import VapiClient
from tests.support.settings import settings_for

URL = "https://calls.agency.net/api/vapi/webhook"
THEIRS = "https://theirs.example.net/hook"

OWNER = UUID("5f0c7c1e-6a8e-4c57-9a53-0d8f6e0b1a2c")
"""The organization of numbers that are registered here: they all carry its secret."""

OWN = """
INSERT INTO callgate.organizations (id, name) VALUES ($1, 'Client')
ON CONFLICT ON CONSTRAINT organizations_pkey DO NOTHING
"""

REGISTER = """
WITH numbers AS (
    INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id, created_at)
    SELECT $3, given.id, now() - interval '1 day' + make_interval(secs => place / 1000.0)
    FROM unnest($1::text[]) WITH ORDINALITY AS given (id, place)
    RETURNING id, vapi_phone_number_id)
INSERT INTO callgate.webhook_states (
    phone_number_id, state, original, last_applied, last_checked_at, next_attempt_at)
SELECT id, 'in_sync', '{"server": null}', $2, now(), NULL FROM numbers
"""

IDS = """
SELECT vapi_phone_number_id, id FROM callgate.phone_numbers
WHERE vapi_phone_number_id = ANY($1::text[])
"""


def ours(settings: Settings, **changed: Any) -> dict[str, Any]:
    """The server block of a number in sync, except for what is `changed`."""
    return webhook_fields.merged(desired_webhook(settings).of(OWNER), None) | changed


async def register_in_sync(
    pool: Pool, desired: DesiredWebhook, vapi_ids: Iterable[str]
) -> dict[str, UUID]:
    """Register numbers as an earlier pass left them; our ids by Vapi's."""
    given = list(vapi_ids)
    await pool.execute(OWN, OWNER)
    await pool.execute(REGISTER, given, applied_of(desired.of(OWNER)), OWNER, timeout=120)
    return {row["vapi_phone_number_id"]: row["id"] for row in await pool.fetch(IDS, given)}


async def unpaced(_priority: Priority) -> None:
    """No budget: the stand-in needs no sparing."""


@asynccontextmanager
async def reconciling(settings: Settings, pool: Pool) -> AsyncIterator[Reconciling]:
    """The parts of a replica that runs no loop: nothing happens but what is asked for."""
    standings = AccessStandings(
        pool,
        AccessChain(load_policies().policies),
        settings.callgate_blocked_message,
        settings.callgate_ring_gate,
    )
    async with aiohttp.ClientSession() as session:
        client = VapiClient(session, settings.vapi_api_url, settings.vapi_api_key, unpaced)
        yield build_reconciling(settings, pool, client, standings)


@dataclass
class World:
    """A database, a Vapi, and the parts of a replica without its loop."""

    pool: Pool
    vapi: SandboxVapi
    parts: Reconciling
    block: dict[str, Any]

    async def numbers(self, count: int, **fields: Any) -> dict[str, UUID]:
        """Registered numbers in sync; our ids by Vapi's, oldest first."""
        ids = self.vapi.add_numbers(count, server=dict(self.block), **fields)
        found = await register_in_sync(self.pool, self.parts.reconciler.number_pass.desired, ids)
        return {vapi_id: found[vapi_id] for vapi_id in ids}

    async def sweep(self, order: Order | None = None, **asked: Any) -> SweepReport:
        """A sweep with its repairs, and all else that it made due."""
        try:
            return await self.parts.sweeper.sweep(SweepRequest(order, **{"seconds": None, **asked}))
        finally:
            await self.parts.sweeper.work_off()

    async def refused(self, order: Order | None = None, **asked: Any) -> ConflictError:
        with pytest.raises(ConflictError) as caught:
            await self.sweep(order, **asked)
        return caught.value

    def server(self, vapi_id: str) -> Any:
        return (self.vapi.numbers.find(vapi_id) or {}).get("server")

    def spoil(self, vapi_ids: Iterable[str], **fields: Any) -> None:
        for vapi_id in vapi_ids:
            self.vapi.edit_number(vapi_id, **(fields or {"server": {"url": THEIRS}}))

    def asked(self, pattern: str) -> int:
        return len(self.vapi.requests(pattern))

    async def state(self, number_id: UUID) -> Any:
        return await self.pool.fetchrow(
            "SELECT * FROM callgate.webhook_states WHERE phone_number_id = $1", number_id
        )

    async def states(self) -> dict[str, int]:
        rows = await self.pool.fetch(
            "SELECT state, count(*) AS numbers FROM callgate.webhook_states GROUP BY state"
        )
        return {row["state"]: row["numbers"] for row in rows}

    async def everything(self) -> dict[str, Any]:
        """All that a dry run must leave as it is: Vapi, and what is ordered, owed or planned here."""
        planned = await self.pool.fetch(
            "SELECT phone_number_id, next_attempt_at, ordered_by, claim, claimed_until, original, "
            "last_applied, assistant_ids, paused_at, failures FROM callgate.webhook_states ORDER BY 1"
        )
        changes = await self.pool.fetchval("SELECT count(*) FROM callgate.webhook_changes")
        held = (await reconciliation.get(self.pool)).held
        vapi = [dict(number) for number in self.vapi.numbers]
        return {"planned": planned, "changes": changes, "held": held, "vapi": vapi}


Make = Callable[..., Awaitable[World]]


@pytest.fixture
async def make(vapi: SandboxVapi, pool: Pool, tmp_path: Path) -> AsyncIterator[Make]:
    """Makes worlds on the same database and Vapi that differ in their settings."""
    async with AsyncExitStack() as stack:

        async def one(**given: Any) -> World:
            settings = settings_for(tmp_path, vapi.base_url, **{"vapi_webhook_url": URL, **given})
            parts = await stack.enter_async_context(reconciling(settings, pool))
            return World(pool, vapi, parts, ours(settings))

        yield one


@pytest.fixture
async def world(make: Make) -> World:
    return await make()
