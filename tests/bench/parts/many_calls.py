"""Many calls at once: each month's partition is filled by itself, then attached, which builds its
indexes in one go. No trigger counts their usage."""

import time

from service.store.pool import Pool

CALLS = """
WITH numbers AS MATERIALIZED (
    SELECT array_agg(id ORDER BY id) AS ids, array_agg(organization_id ORDER BY id) AS owners,
        count(*)::int AS many
    FROM callgate.phone_numbers)
INSERT INTO callgate.{table} (vapi_call_id, organization_id, phone_number_id, type, status, blocked,
    reason, gate, decision, started_at, ended_at, duration_seconds, month, created_at, updated_at,
    customer_number)
SELECT 'call-' || n, owners[1 + n % many], ids[1 + n % many], 'inboundPhoneCall',
    CASE WHEN n % 7 = 0 THEN 'failed' ELSE 'ended' END, n % 7 = 0,
    CASE WHEN n % 7 = 0 THEN 'trial_expired' ELSE 'plan_active' END,
    CASE WHEN n % 3 = 0 THEN 'request' ELSE 'event' END,
    '{{"id": "5f0e3c5e-52d0-4d39-8fd2-8c3c4a4ee1a5", "effect": "allow", "reason": "x",
      "determined_by": "plan", "basis": "fresh", "trace": [], "decided_at": "2026-11-01T00:00:00Z"}}',
    at, at, 60, $3, at, at, '+49151' || lpad((n % 100000)::text, 8, '0')
FROM numbers, generate_series($1::int, $2::int) AS n,
    LATERAL (SELECT now() - make_interval(secs => n * $4::float8) AS at) AS instant
"""

MONTHS = """
SELECT month::date, greatest(1, ceil(extract(epoch FROM
        now() - least(month + interval '1 month', now())) / $2::float8))::int AS first,
    least($1::int, ceil(extract(epoch FROM now() - month) / $2::float8) - 1)::int AS last
FROM generate_series(date_trunc('month', now() - make_interval(secs => $1 * $2::float8)),
    date_trunc('month', now()), interval '1 month') AS month
"""

# The bench's own months take the place of the one partition that a new database has.
NO_MONTHS = """
ALTER TABLE callgate.calls DETACH PARTITION callgate.calls_before;
DROP TABLE callgate.calls_before
"""
CREATE = (
    "CREATE TABLE callgate.{table} (LIKE callgate.calls INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
)
ATTACH = """
ALTER TABLE callgate.calls ATTACH PARTITION callgate.{table}
    FOR VALUES FROM ('{month}') TO (date '{month}' + interval '1 month')
"""


SETTINGS = "SET timezone = 'UTC'; SET statement_timeout = 0; SET maintenance_work_mem = '512MB'"

# By hours only where a present month reads them: as many as the calls else.
USAGE = (
    """
    INSERT INTO callgate.usage_days
    SELECT organization_id, date_trunc('day', created_at, 'UTC'), count(*),
        count(*) FILTER (WHERE blocked), sum(duration_seconds), 0
    FROM callgate.calls GROUP BY 1, 2
    """,
    """
    INSERT INTO callgate.usage_hours
    SELECT organization_id, date_trunc('hour', created_at, 'UTC'), count(*),
        count(*) FILTER (WHERE blocked), sum(duration_seconds), 0
    FROM callgate.calls WHERE created_at > now() - interval '40 days' GROUP BY 1, 2
    """,
    "VACUUM ANALYZE",
)


async def add_usage(pool: Pool) -> None:
    """Sum up the calls, as the service does it while they are recorded."""
    async with pool.acquire() as connection:
        await connection.execute(SETTINGS)
        for statement in USAGE:
            await connection.execute(statement, timeout=3600)


async def add_many_calls(pool: Pool, calls: int, days: float) -> None:
    """Record `calls` of the last `days`, evenly, for the numbers that there are, the newest first."""
    began, seconds = time.perf_counter(), days * 86_400 / calls
    async with pool.acquire() as connection:
        await connection.execute(SETTINGS)
        for statement in NO_MONTHS.split(";"):
            await connection.execute(statement)
        for row in await connection.fetch(MONTHS, calls, seconds):
            month = row["month"].replace(day=1)
            table = f"calls_{month:%Y_%m}"
            await connection.execute(CREATE.format(table=table))
            filling = CALLS.format(table=table)
            await connection.execute(
                filling, row["first"], row["last"], month, seconds, timeout=3600
            )
            await connection.execute(ATTACH.format(table=table, month=month), timeout=3600)
        await connection.execute("VACUUM ANALYZE", timeout=3600)
    months = await pool.fetchval("SELECT count(*) FROM callgate.call_months()")
    print(f"{calls:,} calls, {months} months, in {time.perf_counter() - began:.0f} s", flush=True)
