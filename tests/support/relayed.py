"""Rows of relayed messages, for tests of what reads them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from service.store.pool import Pool

ADD = """
INSERT INTO callgate.relay_messages (organization_id, webhook_id, vapi_call_id, type, content_type,
    body, size, received_at, attempts, due_at, done_at, outcome, last_error)
SELECT $1, 'msg_' || gen_random_uuid(), $2, $3, 'application/json', '{}', 2,
    $4::timestamptz + make_interval(secs => i), $5, now() + interval '1 hour',
    CASE WHEN $6::text IS NULL THEN NULL ELSE now() END, $6, $7
FROM generate_series(1, $8) AS i
"""
PARK = """
INSERT INTO callgate.relay_states (organization_id, failures, parked_at, probe_at, last_error,
    last_error_at, dropped)
VALUES ($1, 10, now(), now() + interval '1 hour', 'It answered with status 503.', now(), $2)
"""


async def add_messages(
    pool: Pool,
    owner: str,
    count: int = 1,
    *,
    call: str = "",
    kind: str = "status-update",
    ago: timedelta = timedelta(hours=1),
    attempts: int = 0,
    outcome: str | None = None,
    error: str | None = None,
) -> None:
    """Messages of an organization, a second apart, that no replica tries within the hour."""
    received_at = datetime.now(UTC) - ago
    values = (UUID(owner), call, kind, received_at, attempts, outcome, error, count)
    await pool.execute(ADD, *values)


async def park(pool: Pool, owner: str, dropped: int = 0) -> None:
    """Park an organization's server for an hour."""
    await pool.execute(PARK, UUID(owner), dropped)
