"""The table of calls, partitioned by the month in which a call was recorded first.

Retention drops whole months instead of deleting rows. The table of before becomes the first partition
without being read: its keys and its check are there already, so writers wait for milliseconds. It
covers this month too; the next months get partitions of their own, by `callgate.add_call_months`, and
`calls_rest` takes the rows of a month that has none.

One row a call needs a unique key over all of time, which a partitioned table cannot have. So the first
record of a call leaves its month in `call_keys`, for as long as two replicas may record the same call
at once: over the end of a month both find the same partition.

The functions run with their owner's rights, so that the service's role changes rows only. They are no
way around that: a month is dropped only when it ended 35 days ago, the least that calls are kept for.
They wait for their lock no longer than 200 ms, since every statement on calls queues behind them.
"""

from alembic import op

revision = "0037c"
down_revision = "0037b"
branch_labels = None
depends_on = None

LOCK = "LOCK TABLE callgate.calls IN ACCESS EXCLUSIVE MODE"

# Those of revisions 0004, 0014 and 0035, on the whole table: each partition gets its own of them.
TRIGGERS = (
    """
    CREATE CONSTRAINT TRIGGER calls_note_unknown_number AFTER INSERT ON callgate.calls
        DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.organization_id IS NULL
            AND NEW.vapi_phone_number_id ~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$')
        EXECUTE FUNCTION callgate.note_unknown_number()
    """,
    """
    CREATE TRIGGER calls_erase_control_url BEFORE INSERT OR UPDATE ON callgate.calls
        FOR EACH ROW WHEN (NEW.control_url IS NOT NULL AND NEW.ended_at IS NOT NULL)
        EXECUTE FUNCTION callgate.erase_control_url()
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
DROP_TRIGGERS = tuple(
    f"DROP TRIGGER {name} ON callgate.calls"
    for name in (
        "calls_note_unknown_number",
        "calls_erase_control_url",
        "calls_usage_begun",
        "calls_usage_changed",
    )
)

VIEW = """
CREATE VIEW callgate.call_usage AS
SELECT c.id, c.organization_id, coalesce(c.started_at, c.created_at) AS began_at,
    1 AS calls, c.blocked::integer AS blocked_calls,
    callgate.counted(c.duration_seconds::numeric) AS seconds, callgate.counted(c.cost) AS cost
FROM callgate.calls c WHERE c.organization_id IS NOT NULL
"""

# The dropped column gives the table another layout than its partitions. Without it PostgreSQL refuses
# the previous version's `RETURNING xmax`, and replicas are upgraded one after the other.
SWITCH = """
DO $$
DECLARE
    bound date := (SELECT substring(pg_get_constraintdef(oid) FROM '[0-9]{4}-[0-9]{2}-[0-9]{2}')
        FROM pg_constraint WHERE conname = 'calls_month_check'
            AND conrelid = 'callgate.calls'::regclass);
    one record;
BEGIN
    ALTER TABLE callgate.calls DROP CONSTRAINT calls_pkey, DROP CONSTRAINT calls_vapi_call_id_key;
    ALTER TABLE callgate.calls RENAME TO calls_before;
    ALTER TABLE callgate.calls_before
        ADD CONSTRAINT calls_before_pkey PRIMARY KEY USING INDEX calls_month_pkey,
        ADD CONSTRAINT calls_before_vapi_call_id_key UNIQUE USING INDEX calls_month_key;
    CREATE TABLE callgate.calls (LIKE callgate.calls_before INCLUDING DEFAULTS
        INCLUDING CONSTRAINTS INCLUDING STORAGE, layout boolean) PARTITION BY RANGE (month);
    ALTER TABLE callgate.calls DROP COLUMN layout, DROP CONSTRAINT calls_month_check,
        ALTER COLUMN month SET DEFAULT date_trunc('month', now() AT TIME ZONE 'UTC')::date,
        ADD CONSTRAINT calls_pkey PRIMARY KEY (id, month),
        ADD CONSTRAINT calls_vapi_call_id_key UNIQUE (vapi_call_id, month);
    FOR one IN SELECT i.indexname, i.indexdef FROM pg_indexes i
        WHERE i.schemaname = 'callgate' AND i.tablename = 'calls_before'
            AND i.indexname NOT LIKE 'calls\\_before\\_%' ORDER BY i.indexname LOOP
        EXECUTE format('ALTER INDEX callgate.%I RENAME TO %I', one.indexname,
            replace(one.indexname, 'calls_', 'calls_before_'));
        EXECUTE replace(one.indexdef, 'callgate.calls_before', 'callgate.calls');
    END LOOP;
    EXECUTE format('ALTER TABLE callgate.calls ATTACH PARTITION callgate.calls_before '
        'FOR VALUES FROM (MINVALUE) TO (%L)', bound);
    ALTER TABLE callgate.calls_before DROP CONSTRAINT calls_month_check;
    CREATE TABLE callgate.calls_rest PARTITION OF callgate.calls DEFAULT;
    CREATE TABLE callgate.call_keys (
        vapi_call_id text CONSTRAINT call_keys_pkey PRIMARY KEY,
        month date NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now());
    CREATE INDEX call_keys_created_idx ON callgate.call_keys (created_at);
END $$
"""

# Who may use the table of before may use what took its place; partitions are reached through it alone.
GRANTS = """
DO $$
DECLARE
    one record;
    name text;
BEGIN
    FOR one IN SELECT privilege_type AS privilege,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS grantee
        FROM pg_class, aclexplode(relacl) WHERE oid = 'callgate.calls_before'::regclass LOOP
        FOREACH name IN ARRAY ARRAY['calls', 'call_keys', 'call_usage'] LOOP
            EXECUTE format('GRANT %s ON callgate.%I TO %s', one.privilege, name, one.grantee);
        END LOOP;
    END LOOP;
END $$
"""

# Partitions that cover months, by the bounds that PostgreSQL keeps; `calls_rest` has none.
MONTHS = """
CREATE FUNCTION callgate.call_months() RETURNS TABLE (name text, ends_on date) LANGUAGE sql STABLE
SET search_path = pg_catalog AS $$
    SELECT relname::text, substring(pg_get_expr(relpartbound, c.oid)
        FROM 'TO \\(''([0-9-]+)''\\)')::date
    FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
    WHERE inhparent = 'callgate.calls'::regclass
        AND pg_get_expr(relpartbound, c.oid) <> 'DEFAULT' ORDER BY 2
$$
"""

# A month whose rows are in `calls_rest` already stays there. ATTACH lets writers go on, where CREATE
# TABLE … PARTITION OF would not.
ADD_MONTHS = """
CREATE FUNCTION callgate.add_call_months(ahead integer) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '200ms' AS $$
DECLARE
    begins date;
    ends date;
    partition text;
    added integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('callgate.call_months', 0));
    FOR step IN 0..least(ahead, 24) LOOP
        begins := date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => step);
        ends := begins + interval '1 month';
        partition := 'calls_' || to_char(begins, 'YYYY_MM');
        CONTINUE WHEN begins < (SELECT max(ends_on) FROM callgate.call_months())
            OR EXISTS (SELECT FROM callgate.calls_rest WHERE month >= begins AND month < ends);
        EXECUTE format('CREATE TABLE callgate.%I (LIKE callgate.calls INCLUDING DEFAULTS '
            'INCLUDING CONSTRAINTS INCLUDING STORAGE)', partition);
        EXECUTE format('ALTER TABLE callgate.calls ATTACH PARTITION callgate.%I '
            'FOR VALUES FROM (%L) TO (%L)', partition, begins, ends);
        added := added + 1;
    END LOOP;
    RETURN added;
END $$
"""

# Null: the month stays, because a call of it may go on, or its hang-up waits.
DROP_MONTH = """
CREATE FUNCTION callgate.drop_call_month(partition text) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '200ms' AS $$
DECLARE
    needed boolean;
    dropped bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('callgate.call_months', 0));
    IF NOT EXISTS (SELECT FROM callgate.call_months() m WHERE m.name = partition
            AND m.ends_on <= (now() AT TIME ZONE 'UTC')::date - 35) THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM callgate.%1$I c
            WHERE c.updated_at >= now() - interval ''3 days'' AND c.ended_at IS NULL)
        OR EXISTS (SELECT FROM callgate.%1$I c JOIN callgate.pgqueuer q
            ON q.dedupe_key = ''hangup:'' || c.vapi_call_id AND q.status IN (''queued'', ''picked'')
            WHERE c.hangup_state = ''pending'')', partition) INTO needed;
    IF needed THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT count(*) FROM callgate.%I', partition) INTO dropped;
    EXECUTE format('DROP TABLE callgate.%I', partition);
    RETURN dropped;
END $$
"""

# The reverse, without a way back to `calls_before`: its rows are copied.
JOIN_AGAIN = """
DO $$
DECLARE
    bound date := date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month';
    one record;
BEGIN
    ALTER TABLE callgate.calls RENAME TO calls_parted;
    CREATE TABLE callgate.calls (LIKE callgate.calls_parted INCLUDING DEFAULTS
        INCLUDING CONSTRAINTS INCLUDING STORAGE);
    INSERT INTO callgate.calls SELECT * FROM callgate.calls_parted;
    UPDATE callgate.calls SET month = bound - 1 WHERE month >= bound;
    CREATE TEMPORARY TABLE defined ON COMMIT DROP AS SELECT indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'callgate' AND tablename = 'calls_parted'
            AND indexname NOT IN ('calls_pkey', 'calls_vapi_call_id_key');
    DROP TABLE callgate.calls_parted;
    ALTER TABLE callgate.calls ADD CONSTRAINT calls_pkey PRIMARY KEY (id),
        ADD CONSTRAINT calls_vapi_call_id_key UNIQUE (vapi_call_id);
    EXECUTE format('ALTER TABLE callgate.calls ALTER COLUMN month SET DEFAULT %L, '
        'ADD CONSTRAINT calls_month_check CHECK (month < %L)', bound - interval '1 month', bound);
    CREATE UNIQUE INDEX calls_month_pkey ON callgate.calls (id, month);
    CREATE UNIQUE INDEX calls_month_key ON callgate.calls (vapi_call_id, month);
    FOR one IN SELECT * FROM defined ORDER BY indexname LOOP
        EXECUTE replace(replace(one.indexdef, 'callgate.calls_parted', 'callgate.calls'),
            ' ON ONLY ', ' ON ');
    END LOOP;
END $$
"""

UP = (
    LOCK,
    "DROP VIEW callgate.call_usage",
    *DROP_TRIGGERS,
    SWITCH,
    *TRIGGERS,
    VIEW,
    GRANTS,
    MONTHS,
    ADD_MONTHS,
    DROP_MONTH,
    "SELECT callgate.add_call_months(3)",
)
DOWN = (
    "DROP FUNCTION callgate.drop_call_month(text)",
    "DROP FUNCTION callgate.add_call_months(integer)",
    "DROP FUNCTION callgate.call_months()",
    LOCK,
    "DROP VIEW callgate.call_usage",
    *DROP_TRIGGERS,
    JOIN_AGAIN,
    *TRIGGERS,
    VIEW,
    "DROP TABLE callgate.call_keys",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
