"""Counts of calls for the overview and for metrics, each along an index."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from service.store.calls.decisions import DECIDED_BY
from service.store.calls.listing.statements import IS_LIVE
from service.store.pool import Pool

PASSED_BY_HOUR = """
SELECT date_bin('1 hour', created_at, $1) AS hour, count(*) AS calls
FROM callgate.calls WHERE created_at >= $1 AND created_at < $2 GROUP BY 1
"""

BLOCKED_BY_HOUR = """
SELECT date_bin('1 hour', created_at, $1) AS hour, reason, count(*) AS calls
FROM callgate.calls WHERE blocked AND created_at >= $1 AND created_at < $2 GROUP BY 1, 2
"""

# A call changes after its hour: it ends, or a decision that was made elsewhere replaces its own.
CHANGED_HOURS = """
SELECT DISTINCT date_trunc('hour', created_at, 'UTC') AS hour FROM callgate.calls
WHERE updated_at > $1 AND created_at >= $2 AND created_at < $3
"""

LIVE = f"SELECT count(*) FROM callgate.calls WHERE {IS_LIVE}"  # noqa: S608 - a constant

BLOCKED_SECONDS = """
SELECT gate, percentile_cont(0.5) WITHIN GROUP (ORDER BY lived_seconds) AS median,
    max(lived_seconds) AS most
FROM callgate.calls
WHERE blocked AND lived_seconds IS NOT NULL AND created_at > now() - interval '1 hour'
    AND ended_reason IS DISTINCT FROM 'not-found'
GROUP BY gate ORDER BY gate
"""

TRIALS_ENDING = """
SELECT t.organization_id, o.name, t.ends_at
FROM callgate.trials t JOIN callgate.organizations o ON o.id = t.organization_id
WHERE t.ends_at > now() AND t.ends_at < now() + interval '7 days'
ORDER BY t.ends_at, t.organization_id LIMIT $1
"""

COUNT_TRIALS_ENDING = """
SELECT count(*) FROM callgate.trials
WHERE ends_at > now() AND ends_at < now() + interval '7 days'
"""

WAITING_NUMBERS = """
SELECT count(*) FROM callgate.unknown_numbers u
WHERE ignored_at IS NULL AND NOT EXISTS (SELECT FROM callgate.phone_numbers n
    WHERE n.vapi_phone_number_id = u.vapi_phone_number_id AND n.released_at IS NULL)
"""


DECIDED = f"""
SELECT {DECIDED_BY} AS policy, count(*) AS calls, count(*) FILTER (WHERE blocked) AS blocked
FROM callgate.calls WHERE created_at >= $1 AND created_at < $2 GROUP BY 1
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class DecidedCalls:
    """How many calls a policy decided, and how many of them it blocked. `policy` as in `decider_of`."""

    policy: str
    calls: int = 0
    blocked: int = 0


@dataclass(slots=True)
class Hour:
    """Calls of one hour; `blocked` by reason."""

    at: datetime
    calls: int = 0
    blocked: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EndingTrial:
    """A trial that ends soon."""

    organization_id: UUID
    organization_name: str
    ends_at: datetime


async def count_hours(pool: Pool, since: datetime, until: datetime) -> Mapping[datetime, Hour]:
    """Calls by the hour, starting at a full hour; hours without calls are left out."""
    hours: dict[datetime, Hour] = {}
    for row in await pool.fetch(PASSED_BY_HOUR, since, until):
        hours[row["hour"]] = Hour(row["hour"], row["calls"])
    for row in await pool.fetch(BLOCKED_BY_HOUR, since, until):
        hour = hours.setdefault(row["hour"], Hour(row["hour"]))
        hour.blocked[row["reason"]] = row["calls"]
    return hours


async def list_changed_hours(
    pool: Pool, changed_since: datetime, since: datetime, until: datetime
) -> list[datetime]:
    """The hours from `since` to before `until` that have calls which changed after an instant."""
    rows = await pool.fetch(CHANGED_HOURS, changed_since, since, until)
    return [row["hour"] for row in rows]


async def count_live(pool: Pool) -> int:
    """Calls under way."""
    return int(await pool.fetchval(LIVE))


async def count_waiting_numbers(pool: Pool) -> int:
    """Unknown numbers that are neither registered nor ignored."""
    return int(await pool.fetchval(WAITING_NUMBERS))


async def list_ending_trials(pool: Pool, limit: int) -> tuple[int, list[EndingTrial]]:
    """How many trials end within a week, and the first `limit` of them."""
    rows = await pool.fetch(TRIALS_ENDING, limit)
    trials = [EndingTrial(row["organization_id"], row["name"], row["ends_at"]) for row in rows]
    return int(await pool.fetchval(COUNT_TRIALS_ENDING)), trials


async def count_decided(pool: Pool, since: datetime, until: datetime) -> dict[str, DecidedCalls]:
    """The calls that were recorded in a period, by what decided them."""
    rows = await pool.fetch(DECIDED, since, until)
    return {row["policy"]: DecidedCalls(**dict(row)) for row in rows}


async def list_blocked_seconds(pool: Pool) -> list[tuple[str, float, float]]:
    """How long blocked calls of the last hour lasted: gate, median and maximum, in seconds."""
    rows = await pool.fetch(BLOCKED_SECONDS)
    return [(row["gate"], row["median"], row["most"]) for row in rows]
