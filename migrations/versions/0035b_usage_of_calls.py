"""An index of calls by when they began, and the usage of calls that were recorded before the trigger.

Both while calls are recorded: one snapshot has the calls and the differences that they include; later
differences stay, to be folded.
"""

from alembic import op

from migrations.indexes import create_concurrently, drop_concurrently

revision = "0035b"
down_revision = "0035"
branch_labels = None
depends_on = None

SUM_UP = """
WITH counted AS MATERIALIZED (
    SELECT organization_id, date_trunc('hour', began_at, 'UTC') AS hour, sum(calls) AS calls,
        sum(blocked_calls) AS blocked_calls, sum(seconds) AS seconds, sum(cost) AS cost
    FROM callgate.call_usage GROUP BY 1, 2),
folded AS (DELETE FROM callgate.usage_deltas),
hours AS (
    INSERT INTO callgate.usage_hours SELECT * FROM counted
    ON CONFLICT ON CONSTRAINT usage_hours_pkey DO UPDATE SET calls = excluded.calls,
        blocked_calls = excluded.blocked_calls, seconds = excluded.seconds, cost = excluded.cost)
INSERT INTO callgate.usage_days
SELECT organization_id, date_trunc('day', hour, 'UTC'), sum(calls), sum(blocked_calls), sum(seconds),
    sum(cost)
FROM counted GROUP BY 1, 2
ON CONFLICT ON CONSTRAINT usage_days_pkey DO UPDATE SET calls = excluded.calls,
    blocked_calls = excluded.blocked_calls, seconds = excluded.seconds, cost = excluded.cost
"""


def upgrade() -> None:
    create_concurrently(
        "calls_began_idx",
        "ON callgate.calls (organization_id, (coalesce(started_at, created_at)))",
    )
    # Nothing folds meanwhile.
    op.execute("SELECT pg_advisory_xact_lock(hashtextextended('callgate.usage', 0))")
    op.execute(SUM_UP)


def downgrade() -> None:
    drop_concurrently("calls_began_idx")
