"""Very many registered numbers, and the reconciler's parts on a real database without a service."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import aiohttp

from service.access.chain import AccessChain
from service.access.plugins import load_policies
from service.access.standing import StoredStandings
from service.domain.budget import Priority
from service.reconcile import diff
from service.reconcile.applied import applied_of
from service.reconcile.build import Reconciling, build_reconciling
from service.reconcile.desired import DesiredWebhook, desired_webhook
from service.settings import Settings
from service.store.pool import Pool
from service.vapi.client import VapiClient

# Ten numbers have one organization, as is usual.
REGISTER = """
WITH given AS (
    SELECT id, place, (place - 1) / 10 AS owner
    FROM unnest($1::text[]) WITH ORDINALITY AS given (id, place)),
owners AS (
    INSERT INTO callgate.organizations (name, external_id)
    SELECT DISTINCT 'Client ' || owner, owner::text FROM given
    RETURNING id, external_id),
numbers AS (
    INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id, created_at)
    SELECT owners.id, given.id, now() - interval '1 day' + make_interval(secs => place / 1000.0)
    FROM given JOIN owners ON owners.external_id = given.owner::text
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
    """The server block of a number that is as it should be, but for what is `changed`."""
    return diff.merged(desired_webhook(settings), None) | changed


async def register_in_sync(
    pool: Pool, desired: DesiredWebhook, vapi_ids: Iterable[str]
) -> dict[str, UUID]:
    """Register numbers as an earlier pass left them; our ids by Vapi's."""
    given = list(vapi_ids)
    await pool.execute(REGISTER, given, applied_of(desired), timeout=120)
    return {row["vapi_phone_number_id"]: row["id"] for row in await pool.fetch(IDS, given)}


async def unpaced(_priority: Priority) -> None:
    """No budget: the stand-in needs no sparing."""


@asynccontextmanager
async def reconciling(settings: Settings, pool: Pool) -> AsyncIterator[Reconciling]:
    """The parts of a replica that runs no loop: nothing happens but what is asked for."""
    standings = StoredStandings(
        pool,
        AccessChain(load_policies().policies),
        settings.callgate_blocked_message,
        settings.callgate_ring_gate,
    )
    async with aiohttp.ClientSession() as session:
        client = VapiClient(session, settings.vapi_api_url, settings.vapi_api_key, unpaced)
        yield build_reconciling(settings, pool, client, standings)
