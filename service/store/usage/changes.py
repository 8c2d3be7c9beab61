"""Reads usage for memory: whose usage has changed, and the figures of one snapshot.

A reading asks for what was committed since the last one by transaction: whatever was still under way
then is asked for again, so that no change is missed however late it commits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from service.domain.usage.periods import Period
from service.domain.usage.sums import UsageSums
from service.store.calls.decisions import ASKED_CALLS
from service.store.pool import Connection, Pool
from service.store.usage.sums import sum_periods

CHANGED = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS mark, array(
    SELECT DISTINCT organization_id FROM callgate.usage_deltas
    WHERE $1::text IS NULL OR xid >= $1::text::xid8) AS changed
"""

LIVE = """
SELECT organization_id, array_agg(vapi_call_id) AS calls FROM callgate.calls
WHERE status = 'in-progress' AND ended_at IS NULL AND created_at > now() - interval '1 day'
    AND organization_id = ANY($1::uuid[])
GROUP BY organization_id
"""

FIND_CALLS = f"""
SELECT vapi_call_id, organization_id, ended_at IS NOT NULL AS ended,
    duration_seconds IS NOT NULL OR cost IS NOT NULL AS has_figures
FROM {ASKED_CALLS}
"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call as far as its row counts already."""

    organization_id: UUID | None
    ended: bool
    has_figures: bool


@dataclass(frozen=True, slots=True)
class UsageState:
    """An organization's usage as read. `calls` of the period and `calls_today` are granted ones; `live`:
    the ids at Vapi of those under way."""

    period: Period
    day: Period
    seconds: Decimal
    cost: Decimal
    calls_today: int
    live: frozenset[str]
    calls: int = 0


Spans = tuple[Period, Period]
"""The billing period of an organization, and its day."""


async def list_changed(pool: Pool, since: str | None) -> tuple[str, set[UUID]]:
    """Organizations whose usage has changed since a mark, and the mark of this reading."""
    row = await pool.fetchrow(CHANGED, since)
    assert row is not None
    return row["mark"], set(row["changed"])


async def read_states(
    connection: Connection, spans: Mapping[UUID, Spans]
) -> dict[UUID, UsageState]:
    """The usage of these organizations in their periods and days."""
    wanted = [(owner, period) for owner, both in spans.items() for period in both]
    sums = await sum_periods(connection, wanted)
    rows = await connection.fetch(LIVE, list(spans))
    live = {row["organization_id"]: frozenset(row["calls"]) for row in rows}
    return {
        owner: state_of(both, sums[2 * place], sums[2 * place + 1], live.get(owner, frozenset()))
        for place, (owner, both) in enumerate(spans.items())
    }


def state_of(spans: Spans, used: UsageSums, today: UsageSums, live: frozenset[str]) -> UsageState:
    granted, granted_today = (one.calls - one.blocked_calls for one in (used, today))
    return UsageState(*spans, used.seconds, used.cost, granted_today, live, granted)


async def find_stored_calls(
    connection: Connection, vapi_call_ids: Sequence[str]
) -> dict[str, StoredCall]:
    """Those of these calls that have a row, by their id at Vapi."""
    rows = await connection.fetch(FIND_CALLS, list(vapi_call_ids))
    return {
        row["vapi_call_id"]: StoredCall(row["organization_id"], row["ended"], row["has_figures"])
        for row in rows
    }
