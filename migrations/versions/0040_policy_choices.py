"""How policies are asked: for all organizations, and for one with its settings; and shadow verdicts.

A column that is null means the policy's own. An organization's choices belong to its history, with the
name of the policy as `key`. Only additions: a replica of the version before enforces every policy.
"""

from alembic import op

revision = "0040"
down_revision = "0037c"
branch_labels = None
depends_on = None

FORMER_KINDS = "'plans', 'trials', 'overrides', 'organizations', 'phone_numbers', 'assistants'"
KINDS = FORMER_KINDS + ", 'organization_policies'"

STATEMENTS = (
    """
    CREATE TABLE callgate.policy_choices (
        name text COLLATE "C" PRIMARY KEY,
        mode text NOT NULL DEFAULT 'enforce'
            CONSTRAINT policy_choices_mode_check CHECK (mode IN ('enforce', 'shadow', 'off')),
        share double precision
            CONSTRAINT policy_choices_share_check CHECK (share > 0 AND share < 1),
        "order" integer,
        on_failure text
            CONSTRAINT policy_choices_on_failure_check
            CHECK (on_failure IN ('abstain', 'allow', 'deny')),
        timeout_seconds double precision
            CONSTRAINT policy_choices_timeout_seconds_check
            CHECK (timeout_seconds > 0 AND timeout_seconds <= 2),
        updated_at timestamptz NOT NULL DEFAULT now())
    """,
    """
    CREATE TABLE callgate.organization_policies (
        organization_id uuid NOT NULL REFERENCES callgate.organizations (id) ON DELETE CASCADE,
        name text COLLATE "C" NOT NULL,
        mode text CONSTRAINT organization_policies_mode_check
            CHECK (mode IN ('enforce', 'shadow', 'off')),
        settings jsonb,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (organization_id, name))
    """,
    # One verdict a call, organization and policy: what it answered beside the decision, and what would
    # have been decided with it.
    """
    CREATE TABLE callgate.shadow_verdicts (
        policy text COLLATE "C" NOT NULL,
        vapi_call_id text COLLATE "C" NOT NULL,
        organization_id uuid NOT NULL REFERENCES callgate.organizations (id) ON DELETE CASCADE,
        effect text NOT NULL,
        reason text,
        decided text NOT NULL,
        would text NOT NULL,
        at timestamptz NOT NULL,
        duration_ms double precision NOT NULL DEFAULT 0,
        counted_as text,
        PRIMARY KEY (policy, vapi_call_id, organization_id))
    """,
    "CREATE INDEX shadow_verdicts_report_idx ON callgate.shadow_verdicts (policy, at)",
    "CREATE INDEX shadow_verdicts_call_idx ON callgate.shadow_verdicts (vapi_call_id)",
    "CREATE INDEX shadow_verdicts_organization_idx ON callgate.shadow_verdicts (organization_id)",
    "CREATE INDEX shadow_verdicts_age_idx ON callgate.shadow_verdicts (at)",
    "ALTER TABLE callgate.entitlement_history DROP CONSTRAINT entitlement_history_kind_check",
    f"""
    ALTER TABLE callgate.entitlement_history ADD CONSTRAINT entitlement_history_kind_check
        CHECK (kind IN ({KINDS}))
    """,
    """
    CREATE FUNCTION callgate.record_policy() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        owner uuid;
        policy text;
        former jsonb;
        found jsonb;
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            owner := OLD.organization_id;
            policy := OLD.name;
            former := jsonb_build_object('mode', OLD.mode, 'settings', OLD.settings);
        END IF;
        IF TG_OP <> 'DELETE' THEN
            owner := NEW.organization_id;
            policy := NEW.name;
            found := jsonb_build_object('mode', NEW.mode, 'settings', NEW.settings);
        END IF;
        IF found IS NOT DISTINCT FROM former THEN
            RETURN NULL;
        END IF;
        INSERT INTO callgate.entitlement_history (organization_id, kind, key, value, before, undoes)
        VALUES (owner, 'organization_policies', policy, found, former, true);
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER organization_policies_history
        AFTER INSERT OR UPDATE OR DELETE ON callgate.organization_policies
        FOR EACH ROW EXECUTE FUNCTION callgate.record_policy()
    """,
    """
    CREATE TRIGGER organization_policies_notify
        AFTER INSERT OR UPDATE OR DELETE ON callgate.organization_policies
        FOR EACH ROW EXECUTE FUNCTION callgate.notify_directory()
    """,
    """
    CREATE TRIGGER organization_policies_notify_all AFTER TRUNCATE ON callgate.organization_policies
        FOR EACH STATEMENT EXECUTE FUNCTION callgate.notify_directory_all()
    """,
    """
    CREATE TRIGGER organization_policies_wake
        AFTER INSERT OR UPDATE OR DELETE ON callgate.organization_policies
        FOR EACH ROW EXECUTE FUNCTION callgate.wake_watched()
    """,
    # A change for all organizations changes the ring gates of all; in order, so that it meets no
    # deadlock with the reconcilers.
    """
    CREATE FUNCTION callgate.notify_policies() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('callgate_directory', 'policies');
        UPDATE callgate.webhook_states SET next_attempt_at = now() WHERE phone_number_id IN (
            SELECT s.phone_number_id FROM callgate.webhook_states s
            JOIN callgate.phone_numbers n ON n.id = s.phone_number_id
            WHERE n.released_at IS NULL AND s.watched
            ORDER BY s.phone_number_id FOR UPDATE OF s);
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER policy_choices_notify
        AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON callgate.policy_choices
        FOR EACH STATEMENT EXECUTE FUNCTION callgate.notify_policies()
    """,
)

UNDONE = (
    "DROP TABLE callgate.shadow_verdicts",
    "DROP TABLE callgate.organization_policies",
    "DROP TABLE callgate.policy_choices",
    "DROP FUNCTION callgate.notify_policies()",
    "DROP FUNCTION callgate.record_policy()",
    "DELETE FROM callgate.entitlement_history WHERE kind = 'organization_policies'",
    "ALTER TABLE callgate.entitlement_history DROP CONSTRAINT entitlement_history_kind_check",
    f"""
    ALTER TABLE callgate.entitlement_history ADD CONSTRAINT entitlement_history_kind_check
        CHECK (kind IN ({FORMER_KINDS}))
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in UNDONE:
        op.execute(statement)
