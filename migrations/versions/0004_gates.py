"""What the three gates keep: choices of organizations, ringing hooks, unknown numbers, missed calls."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    ALTER TABLE callgate.organizations
        ADD COLUMN handling jsonb NOT NULL DEFAULT '{}',
        ADD COLUMN blocked_messages jsonb NOT NULL DEFAULT '[]'
    """,
    # `lived_seconds`: how long a blocked call was on the line after its first message. `cut_at`: a
    # granted call that was ended because its organization's access ended meanwhile, and why.
    # `missed`: found in Vapi's list of calls; no message of it ever came.
    """
    ALTER TABLE callgate.calls
        ADD COLUMN lived_seconds double precision,
        ADD COLUMN cut_at timestamptz,
        ADD COLUMN cut_reason text,
        ADD COLUMN missed boolean NOT NULL DEFAULT false
    """,
    """
    CREATE INDEX calls_live_idx ON callgate.calls (organization_id)
        WHERE status <> 'ended' AND ended_at IS NULL
    """,
    # `watched`: the number's desired state depends on its organization's access, so that a change of
    # that makes it due. `ring_texts` are what our ringing hooks may say on it: hooks carry no id, and
    # this is how ours are told from the customer's; `fallback_numbers` the same for our transfers.
    # `unbound` is what answered the number before the request gate took its place. `ring_on`: a hook
    # of ours may be there. `wakes` counts what made the number due, so that a pass under way does
    # not forget what came meanwhile.
    """
    ALTER TABLE callgate.webhook_states
        ADD COLUMN watched boolean NOT NULL DEFAULT false,
        ADD COLUMN ring_texts text[] NOT NULL DEFAULT '{}',
        ADD COLUMN ring_on boolean NOT NULL DEFAULT false,
        ADD COLUMN fallback_numbers text[] NOT NULL DEFAULT '{}',
        ADD COLUMN unbound jsonb,
        ADD COLUMN wakes bigint NOT NULL DEFAULT 0
    """,
    """
    CREATE FUNCTION callgate.count_wake() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.wakes := OLD.wakes + 1;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER webhook_states_count_wake BEFORE UPDATE OF next_attempt_at
        ON callgate.webhook_states
        FOR EACH ROW WHEN (NEW.next_attempt_at <= now()) EXECUTE FUNCTION callgate.count_wake()
    """,
    """
    CREATE FUNCTION callgate.wake_watched() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        changed uuid;
        chosen boolean := false;
    BEGIN
        IF TG_TABLE_NAME = 'organizations' THEN
            changed := NEW.id;
            chosen := NEW.handling IS DISTINCT FROM OLD.handling;
        ELSIF TG_OP = 'DELETE' THEN
            changed := OLD.organization_id;
        ELSE
            changed := NEW.organization_id;
        END IF;
        UPDATE callgate.webhook_states s SET next_attempt_at = now()
        FROM callgate.phone_numbers n
        WHERE n.organization_id = changed AND n.released_at IS NULL
            AND s.phone_number_id = n.id AND (s.watched OR chosen);
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER organizations_wake AFTER UPDATE ON callgate.organizations
        FOR EACH ROW EXECUTE FUNCTION callgate.wake_watched()
    """,
    """
    CREATE TRIGGER plans_wake AFTER INSERT OR UPDATE OR DELETE ON callgate.plans
        FOR EACH ROW EXECUTE FUNCTION callgate.wake_watched()
    """,
    """
    CREATE TRIGGER trials_wake AFTER INSERT OR UPDATE OR DELETE ON callgate.trials
        FOR EACH ROW EXECUTE FUNCTION callgate.wake_watched()
    """,
    """
    CREATE TRIGGER overrides_wake AFTER INSERT OR UPDATE OR DELETE ON callgate.overrides
        FOR EACH ROW EXECUTE FUNCTION callgate.wake_watched()
    """,
    # Numbers that call us and that nobody registered; an admin claims or ignores them.
    """
    CREATE TABLE callgate.unknown_numbers (
        vapi_phone_number_id text CONSTRAINT unknown_numbers_pkey PRIMARY KEY,
        number text,
        first_seen_at timestamptz NOT NULL DEFAULT now(),
        last_seen_at timestamptz NOT NULL DEFAULT now(),
        calls bigint NOT NULL DEFAULT 1,
        last_vapi_call_id text,
        ignored_at timestamptz,
        ignored_by text
    )
    """,
    "CREATE INDEX unknown_numbers_seen_idx ON callgate.unknown_numbers (last_seen_at DESC)",
    # One row: how far Vapi's list of calls has been compared with ours, and who does it.
    """
    CREATE TABLE callgate.call_watch (
        singleton boolean PRIMARY KEY DEFAULT true
            CONSTRAINT call_watch_singleton_check CHECK (singleton),
        seen_until timestamptz NOT NULL DEFAULT now(),
        next_look_at timestamptz NOT NULL DEFAULT now(),
        claim bigint NOT NULL DEFAULT 0,
        claimed_until timestamptz
    )
    """,
    "INSERT INTO callgate.call_watch DEFAULT VALUES",
)

COLUMNS = {
    "organizations": ("handling", "blocked_messages"),
    "calls": ("lived_seconds", "cut_at", "cut_reason", "missed"),
    "webhook_states": (
        "watched",
        "ring_texts",
        "ring_on",
        "fallback_numbers",
        "unbound",
        "wakes",
    ),
}


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in ("organizations", "plans", "trials", "overrides"):
        op.execute(f"DROP TRIGGER {table}_wake ON callgate.{table}")
    op.execute("DROP FUNCTION callgate.wake_watched()")
    op.execute("DROP TRIGGER webhook_states_count_wake ON callgate.webhook_states")
    op.execute("DROP FUNCTION callgate.count_wake()")
    op.execute("DROP TABLE callgate.call_watch")
    op.execute("DROP TABLE callgate.unknown_numbers")
    op.execute("DROP INDEX callgate.calls_live_idx")
    for table, columns in COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE callgate.{table} DROP COLUMN {column}")
