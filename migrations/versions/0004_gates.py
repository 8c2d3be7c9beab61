"""Tables of the three gates: choices of organizations, hooks, unknown numbers, missed calls."""

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
    # granted call was hung up because its organization's access ended, for `cut_reason`. `missed`:
    # found in Vapi's list of calls; no message reported it. `goodbye`: spoken before a blocked call
    # is hung up; it lasts until `quiet_until`. `number`: the digits of an unknown number, from the
    # call's first message.
    """
    ALTER TABLE callgate.calls
        ADD COLUMN lived_seconds double precision,
        ADD COLUMN cut_at timestamptz,
        ADD COLUMN cut_reason text,
        ADD COLUMN missed boolean NOT NULL DEFAULT false,
        ADD COLUMN number text,
        ADD COLUMN goodbye text,
        ADD COLUMN quiet_until timestamptz
    """,
    """
    CREATE INDEX calls_live_idx ON callgate.calls (organization_id)
        WHERE status <> 'ended' AND ended_at IS NULL
    """,
    # `watched`: the number's desired state depends on its organization's access, so that a change of
    # that makes it due. `ring_texts`: the texts that our ringing hooks may speak. Hooks have no id, and
    # the texts distinguish ours from the customer's; `fallback_numbers` do so for our transfers.
    # `unbound`: the resource that answered the number before the request gate replaced it. `ring_on`:
    # a hook of ours may be present. `wakes` counts the wake-ups, so that a pass under way does not
    # clear one that arrives meanwhile.
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
        UPDATE callgate.webhook_states SET next_attempt_at = now() WHERE phone_number_id IN (
            SELECT s.phone_number_id FROM callgate.webhook_states s
            JOIN callgate.phone_numbers n ON n.id = s.phone_number_id
            WHERE n.organization_id = changed AND n.released_at IS NULL
                AND (s.watched OR chosen)
            ORDER BY s.phone_number_id FOR UPDATE OF s);
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
    # Unknown numbers: they call us and are not registered. An admin claims or ignores them.
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
    """
    CREATE INDEX unknown_numbers_seen_idx
        ON callgate.unknown_numbers (last_seen_at DESC, vapi_phone_number_id DESC)
    """,
    # Once a call, in the transaction of the call's row, so that a crash, the spool and several replicas
    # neither lose nor repeat one. It is deferred to the commit, where one lock serializes the batches
    # of several replicas: rows locked in the order of the calls would deadlock. About the newest 10,000
    # numbers and all ignored ones are kept: about one new number in a hundred triggers the clean-up,
    # because scanning 10,000 rows takes 5 ms.
    """
    CREATE FUNCTION callgate.note_unknown_number() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        is_new boolean;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('callgate.unknown_numbers', 0));
        IF EXISTS (SELECT FROM callgate.phone_numbers n
            WHERE n.vapi_phone_number_id = NEW.vapi_phone_number_id AND n.released_at IS NULL) THEN
            RETURN NULL;
        END IF;
        INSERT INTO callgate.unknown_numbers AS u (vapi_phone_number_id, number, last_vapi_call_id)
        VALUES (NEW.vapi_phone_number_id, NEW.number, NEW.vapi_call_id)
        ON CONFLICT ON CONSTRAINT unknown_numbers_pkey DO UPDATE SET
            number = coalesce(excluded.number, u.number), last_seen_at = now(),
            calls = u.calls + 1, last_vapi_call_id = excluded.last_vapi_call_id
        RETURNING u.calls = 1 INTO is_new;
        IF is_new AND hashtext(NEW.vapi_phone_number_id) % 100 = 0 THEN
            DELETE FROM callgate.unknown_numbers WHERE vapi_phone_number_id IN (
                SELECT vapi_phone_number_id FROM callgate.unknown_numbers
                WHERE ignored_at IS NULL
                ORDER BY last_seen_at DESC, vapi_phone_number_id DESC OFFSET 10000);
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER calls_note_unknown_number AFTER INSERT ON callgate.calls
        DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.organization_id IS NULL
            AND NEW.vapi_phone_number_id ~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$')
        EXECUTE FUNCTION callgate.note_unknown_number()
    """,
    """
    CREATE FUNCTION callgate.forget_unknown_number() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM callgate.unknown_numbers
        WHERE vapi_phone_number_id = NEW.vapi_phone_number_id;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER phone_numbers_forget_unknown AFTER INSERT OR UPDATE OF released_at
        ON callgate.phone_numbers
        FOR EACH ROW WHEN (NEW.released_at IS NULL)
        EXECUTE FUNCTION callgate.forget_unknown_number()
    """,
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
    "calls": (
        "lived_seconds",
        "cut_at",
        "cut_reason",
        "missed",
        "number",
        "goodbye",
        "quiet_until",
    ),
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
    op.execute("DROP TRIGGER phone_numbers_forget_unknown ON callgate.phone_numbers")
    op.execute("DROP FUNCTION callgate.forget_unknown_number()")
    op.execute("DROP TRIGGER calls_note_unknown_number ON callgate.calls")
    op.execute("DROP FUNCTION callgate.note_unknown_number()")
    op.execute("DROP TABLE callgate.unknown_numbers")
    op.execute("DROP INDEX callgate.calls_live_idx")
    for table, columns in COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE callgate.{table} DROP COLUMN {column}")
