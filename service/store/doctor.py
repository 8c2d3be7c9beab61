"""Queries of the doctor: counts, and the numbers that are unhealthy. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from service.store.pool import CONNECT_SECONDS, Pool, create_pool

VERSION = "SELECT current_setting('server_version'), clock_timestamp()"

# The last request of each kind, as far as it went out within five minutes: how long it had waited.
BUDGET = """
SELECT max((w.value ->> 1)::float8)
FROM callgate.vapi_budget, jsonb_each(state -> 'waits') w
WHERE (w.value ->> 0)::float8 > extract(epoch FROM clock_timestamp()) - 300
"""

LIST_UNHEALTHY = """
SELECT coalesce(n.label, n.number, n.vapi_phone_number_id) AS name, n.id::text, o.name AS owner,
    s.state, s.last_error
FROM callgate.webhook_states s
JOIN callgate.phone_numbers n ON n.id = s.phone_number_id
LEFT JOIN callgate.organizations o ON o.id = n.organization_id
WHERE n.released_at IS NULL AND s.state = $1
    AND (s.state <> 'pending' OR n.updated_at < now() - interval '10 minutes')
ORDER BY n.created_at LIMIT $2
"""

# Numbers with a pause of their own; the pause of everything is reported separately.
LIST_PAUSED = """
SELECT coalesce(n.label, n.number, n.vapi_phone_number_id) AS name, n.id::text, o.name AS owner,
    s.paused_at, s.paused_by, s.paused_reason, s.paused_until, count(*) OVER () AS all_paused
FROM callgate.webhook_states s
JOIN callgate.phone_numbers n ON n.id = s.phone_number_id
LEFT JOIN callgate.organizations o ON o.id = n.organization_id
WHERE n.released_at IS NULL AND s.paused_at IS NOT NULL
    AND (s.paused_until IS NULL OR s.paused_until > now())
ORDER BY s.paused_at LIMIT $1
"""

# No list shows released numbers: the doctor names each.
RELEASING = """
SELECT coalesce(n.label, n.number, n.vapi_phone_number_id) AS name, s.last_error
FROM callgate.phone_numbers n LEFT JOIN callgate.webhook_states s ON s.phone_number_id = n.id
WHERE n.released_at < now() - interval '10 minutes' ORDER BY n.released_at
"""

HANGUPS = """
SELECT hangup_state AS state, count(*) AS calls FROM callgate.calls
WHERE hangup_state IN ('failed', 'unconfirmed') AND created_at >= $1
GROUP BY hangup_state
"""

PENDING_HANGUPS = """
SELECT count(*) FROM callgate.calls WHERE hangup_state = 'pending' AND created_at >= $1
"""

REFUSED = asyncpg.PostgresError
"""What asyncpg raises when PostgreSQL answers with an error."""


@dataclass(frozen=True, slots=True)
class UnhealthyNumber:
    """A number that is not in sync."""

    name: str
    id: str
    owner: str | None
    state: str
    last_error: str | None


@dataclass(frozen=True, slots=True)
class PausedNumber:
    """A number with a pause of its own; `all_paused` is how many there are."""

    name: str
    id: str
    owner: str | None
    paused_at: datetime
    paused_by: str
    paused_reason: str
    paused_until: datetime | None
    all_paused: int


class UnusableDatabaseError(Exception):
    """The database cannot be used; the message says why, `remedy` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


async def open_pool(dsn: str, size: int) -> Pool:
    """Connect. Raises `UnusableDatabaseError`, never with a part of the DSN: it has the password."""
    try:
        return await create_pool(dsn, size)
    except asyncpg.InvalidAuthorizationSpecificationError as exc:
        remedy = "Check user and password in DATABASE_URL."
        raise UnusableDatabaseError(f"PostgreSQL rejected the sign-in: {exc}.", remedy) from exc
    except asyncpg.InvalidCatalogNameError as exc:
        remedy = "Create it, or correct its name in DATABASE_URL; then run `callgate migrate`."
        raise UnusableDatabaseError(f"PostgreSQL reports: {exc}.", remedy) from exc
    except asyncpg.PostgresError as exc:
        remedy = "Read PostgreSQL's log; check its limits and DATABASE_URL."
        raise UnusableDatabaseError(f"PostgreSQL refused a connection: {exc}.", remedy) from exc
    except TimeoutError as exc:
        text = f"PostgreSQL is too slow: no connection within {CONNECT_SECONDS:.0f} s."
        remedy = "Check its load, and that no firewall drops packets to it (see DATABASE_URL)."
        raise UnusableDatabaseError(text, remedy) from exc
    except OSError as exc:
        text = f"PostgreSQL cannot be reached ({exc.strerror or type(exc).__name__})."
        remedy = "Check the server, and DATABASE_URL if it is set."
        raise UnusableDatabaseError(text, remedy) from exc
    except (asyncpg.InterfaceError, ValueError) as exc:
        remedy = (
            "Write postgresql://user:password@host:port/database, with special characters in user "
            "or password percent-encoded."
        )
        text = "DATABASE_URL cannot be read as an address of PostgreSQL."
        raise UnusableDatabaseError(text, remedy) from exc


async def get_version_and_clock(pool: Pool) -> tuple[str, datetime]:
    """PostgreSQL's version and its clock."""
    row: Mapping[int, Any] | None = await pool.fetchrow(VERSION)
    assert row is not None, "SELECT without FROM gives a row"
    return row[0], row[1]


async def get_budget_wait_seconds(pool: Pool) -> float:
    """Seconds that requests to Vapi waited lately: the longest of the last one of each kind."""
    return float(await pool.fetchval(BUDGET) or 0.0)


async def list_unhealthy(pool: Pool, state: str, limit: int) -> list[UnhealthyNumber]:
    """Registered numbers in a state, oldest first; pending ones only after ten minutes."""
    return [UnhealthyNumber(**dict(row)) for row in await pool.fetch(LIST_UNHEALTHY, state, limit)]


async def list_paused(pool: Pool, limit: int) -> list[PausedNumber]:
    """Registered numbers with a pause of their own, the longest paused first."""
    return [PausedNumber(**dict(row)) for row in await pool.fetch(LIST_PAUSED, limit)]


async def list_releasing(pool: Pool) -> list[tuple[str, str | None]]:
    """Released numbers whose previous webhook is still not restored, the oldest first: their names,
    and the last error of each."""
    return [(row["name"], row["last_error"]) for row in await pool.fetch(RELEASING)]


DAY_BEGAN = "SELECT date_trunc('hour', now(), 'UTC') - interval '23 hours'"


async def get_day_start(pool: Pool) -> datetime:
    """Where the last 24 hours begin, the current one the last of them, as on the overview."""
    found: datetime = await pool.fetchval(DAY_BEGAN)
    return found


async def count_hangups(pool: Pool, since: datetime) -> dict[str, int]:
    """Unconfirmed and failed hang-ups of calls since then, by state."""
    return {row["state"]: row["calls"] for row in await pool.fetch(HANGUPS, since)}


async def count_pending_hangups(pool: Pool, since: datetime) -> int:
    """Hang-ups in progress of calls since then."""
    return int(await pool.fetchval(PENDING_HANGUPS, since))
