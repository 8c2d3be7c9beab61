"""Usage of organizations by hour and day, kept up by a trigger on calls; time zones of organizations.

The trigger appends differences and changes no row, so transactions of calls never wait for each other
here. A background loop folds them into hours and days (both in UTC). Nothing happens on DELETE: the
retention of calls does not shrink usage. The trigger runs with its owner's rights, so that a replica
whose role has no grant on the new tables yet goes on recording calls.

Calls that are there already are summed up by the next revision, beside the writers. `xid` tells
readers which differences were committed since they last read.
"""

from alembic import op

revision = "0035"
down_revision = "0034c"
branch_labels = None
depends_on = None

FIGURES = """
        calls bigint NOT NULL,
        blocked_calls bigint NOT NULL,
        seconds numeric NOT NULL,
        cost numeric NOT NULL
"""

STATEMENTS = (
    "ALTER TABLE callgate.organizations ADD COLUMN time_zone text",
    # Calls created before this may be deleted already: a rebuild keeps the sums of their time.
    "ALTER TABLE callgate.retention ADD COLUMN calls_deleted_before timestamptz",
    """
    UPDATE callgate.retention
    SET calls_deleted_before = (SELECT min(created_at) FROM callgate.calls)
    """,
    # What no call can have, NaN included, counts as nothing instead of spoiling a sum permanently.
    """
    CREATE FUNCTION callgate.counted(figure numeric) RETURNS numeric LANGUAGE sql IMMUTABLE
    AS $$ SELECT CASE WHEN figure BETWEEN 0 AND 1000000 THEN figure ELSE 0 END $$
    """,
    """
    CREATE VIEW callgate.call_usage AS
    SELECT c.id, c.organization_id, coalesce(c.started_at, c.created_at) AS began_at,
        1 AS calls, c.blocked::integer AS blocked_calls,
        callgate.counted(c.duration_seconds::numeric) AS seconds, callgate.counted(c.cost) AS cost
    FROM callgate.calls c WHERE c.organization_id IS NOT NULL
    """,
    f"""
    CREATE TABLE callgate.usage_hours (
        organization_id uuid NOT NULL,
        hour timestamptz NOT NULL,
        {FIGURES},
        CONSTRAINT usage_hours_pkey PRIMARY KEY (organization_id, hour)
    )
    """,
    "CREATE INDEX usage_hours_hour_idx ON callgate.usage_hours (hour)",
    f"""
    CREATE TABLE callgate.usage_days (
        organization_id uuid NOT NULL,
        day timestamptz NOT NULL,
        {FIGURES},
        CONSTRAINT usage_days_pkey PRIMARY KEY (organization_id, day)
    )
    """,
    "CREATE INDEX usage_days_day_idx ON callgate.usage_days (day)",
    f"""
    CREATE TABLE callgate.usage_deltas (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        organization_id uuid NOT NULL,
        hour timestamptz NOT NULL,
        {FIGURES},
        xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        created_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    # A change of the organization or of the hour subtracts there and adds here. A call that begins or
    # ends without a figure leaves a difference of nothing: it says whose live calls have changed.
    """
    CREATE FUNCTION callgate.record_usage() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog AS $$
    BEGIN
        INSERT INTO callgate.usage_deltas
            (organization_id, hour, calls, blocked_calls, seconds, cost)
        SELECT d.organization_id, d.hour, sum(d.calls), sum(d.blocked_calls), sum(d.seconds),
            sum(d.cost)
        FROM (
            SELECT NEW.organization_id,
                date_trunc('hour', coalesce(NEW.started_at, NEW.created_at), 'UTC') AS hour,
                1 AS calls, NEW.blocked::integer AS blocked_calls,
                callgate.counted(NEW.duration_seconds::numeric) AS seconds,
                callgate.counted(NEW.cost) AS cost
            UNION ALL
            SELECT OLD.organization_id,
                date_trunc('hour', coalesce(OLD.started_at, OLD.created_at), 'UTC'),
                -1, -(OLD.blocked::integer), -callgate.counted(OLD.duration_seconds::numeric),
                -callgate.counted(OLD.cost)
            WHERE TG_OP = 'UPDATE'
        ) AS d
        WHERE d.organization_id IS NOT NULL GROUP BY d.organization_id, d.hour;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER calls_usage_begun AFTER INSERT ON callgate.calls
        FOR EACH ROW WHEN (NEW.organization_id IS NOT NULL)
        EXECUTE FUNCTION callgate.record_usage()
    """,
    """
    CREATE TRIGGER calls_usage_changed AFTER UPDATE ON callgate.calls
        FOR EACH ROW WHEN (
            (OLD.organization_id, OLD.started_at, OLD.blocked, OLD.duration_seconds, OLD.cost,
                OLD.status, OLD.ended_at)
            IS DISTINCT FROM
            (NEW.organization_id, NEW.started_at, NEW.blocked, NEW.duration_seconds, NEW.cost,
                NEW.status, NEW.ended_at))
        EXECUTE FUNCTION callgate.record_usage()
    """,
)

UNDO = (
    "DROP TRIGGER calls_usage_changed ON callgate.calls",
    "DROP TRIGGER calls_usage_begun ON callgate.calls",
    "DROP FUNCTION callgate.record_usage()",
    "DROP TABLE callgate.usage_deltas",
    "DROP TABLE callgate.usage_days",
    "DROP TABLE callgate.usage_hours",
    "DROP VIEW callgate.call_usage",
    "DROP FUNCTION callgate.counted(numeric)",
    "ALTER TABLE callgate.retention DROP COLUMN calls_deleted_before",
    "ALTER TABLE callgate.organizations DROP COLUMN time_zone",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in UNDO:
        op.execute(statement)
