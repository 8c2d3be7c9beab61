"""The tables: organizations and entitlements, numbers and webhooks, calls, tokens, audit.

Constraint names are vocabulary: `service.store` turns a known one into a domain error.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE callgate.organizations (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        name text NOT NULL,
        external_id text CONSTRAINT organizations_external_id_key UNIQUE,
        blocked_message text,
        forward_url text,
        attributes jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX organizations_name_idx ON callgate.organizations (lower(name), id)",
    """
    CREATE TABLE callgate.plans (
        organization_id uuid PRIMARY KEY
            CONSTRAINT plans_organization_id_fkey REFERENCES callgate.organizations ON DELETE CASCADE,
        code text NOT NULL,
        status text NOT NULL
            CONSTRAINT plans_status_check
            CHECK (status IN ('active', 'past_due', 'canceled', 'paused')),
        current_period_end timestamptz,
        grace_period_end timestamptz,
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE callgate.trials (
        organization_id uuid PRIMARY KEY
            CONSTRAINT trials_organization_id_fkey REFERENCES callgate.organizations ON DELETE CASCADE,
        starts_at timestamptz NOT NULL DEFAULT now(),
        ends_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT trials_period_check CHECK (starts_at < ends_at)
    )
    """,
    """
    CREATE TABLE callgate.overrides (
        organization_id uuid PRIMARY KEY
            CONSTRAINT overrides_organization_id_fkey
            REFERENCES callgate.organizations ON DELETE CASCADE,
        effect text NOT NULL CONSTRAINT overrides_effect_check CHECK (effect IN ('allow', 'deny')),
        reason text NOT NULL,
        author text NOT NULL,
        starts_at timestamptz,
        expires_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT overrides_period_check CHECK (starts_at < expires_at)
    )
    """,
    """
    CREATE TABLE callgate.assistants (
        vapi_assistant_id text CONSTRAINT assistants_pkey PRIMARY KEY,
        organization_id uuid NOT NULL
            CONSTRAINT assistants_organization_id_fkey
            REFERENCES callgate.organizations ON DELETE CASCADE
    )
    """,
    "CREATE INDEX assistants_organization_idx ON callgate.assistants (organization_id)",
    # A removed number keeps its row, with released_at set, until its previous webhook is
    # restored at Vapi; adding it again before that takes the row over with that webhook.
    """
    CREATE TABLE callgate.phone_numbers (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        organization_id uuid
            CONSTRAINT phone_numbers_organization_id_fkey REFERENCES callgate.organizations,
        vapi_phone_number_id text NOT NULL
            CONSTRAINT phone_numbers_vapi_phone_number_id_key UNIQUE,
        number text,
        label text,
        gate text NOT NULL DEFAULT 'event'
            CONSTRAINT phone_numbers_gate_check CHECK (gate IN ('event', 'request')),
        answer_with jsonb,
        released_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT phone_numbers_owner_check
            CHECK (organization_id IS NOT NULL OR released_at IS NOT NULL)
    )
    """,
    "CREATE INDEX phone_numbers_organization_idx ON callgate.phone_numbers (organization_id)",
    # `original` is the webhook before our first write: {"server": {…} | null, "absent": […]}.
    # `claim` fences: only the holder of the newest number may write the row's outcome.
    """
    CREATE TABLE callgate.webhook_states (
        phone_number_id uuid PRIMARY KEY
            CONSTRAINT webhook_states_phone_number_id_fkey
            REFERENCES callgate.phone_numbers ON DELETE CASCADE,
        state text NOT NULL DEFAULT 'pending'
            CONSTRAINT webhook_states_state_check CHECK (state IN
                ('pending', 'in_sync', 'drifted', 'shadowed', 'missing', 'failed', 'paused')),
        level text NOT NULL DEFAULT 'phone_number'
            CONSTRAINT webhook_states_level_check CHECK (level IN ('phone_number', 'assistant')),
        drift jsonb NOT NULL DEFAULT '[]',
        original jsonb,
        last_applied jsonb,
        last_checked_at timestamptz,
        last_error text,
        failures integer NOT NULL DEFAULT 0,
        next_attempt_at timestamptz DEFAULT now(),
        claim bigint NOT NULL DEFAULT 0,
        claimed_until timestamptz
    )
    """,
    """
    CREATE INDEX webhook_states_due_idx ON callgate.webhook_states (next_attempt_at)
        WHERE next_attempt_at IS NOT NULL
    """,
    # No foreign keys: the record of a call outlives the organization and the number.
    """
    CREATE TABLE callgate.calls (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        vapi_call_id text NOT NULL CONSTRAINT calls_vapi_call_id_key UNIQUE,
        organization_id uuid,
        phone_number_id uuid,
        vapi_phone_number_id text,
        type text,
        status text NOT NULL
            CONSTRAINT calls_status_check CHECK (status IN ('in-progress', 'ended', 'failed')),
        blocked boolean NOT NULL,
        reason text NOT NULL,
        gate text NOT NULL
            CONSTRAINT calls_gate_check CHECK (gate IN ('request', 'event', 'ring')),
        decision jsonb NOT NULL,
        control_url text,
        hangup_state text CONSTRAINT calls_hangup_state_check CHECK (hangup_state IN
            ('pending', 'confirmed', 'unconfirmed', 'failed')),
        hangup_attempts integer NOT NULL DEFAULT 0,
        started_at timestamptz,
        ended_at timestamptz,
        ended_reason text,
        duration_seconds double precision,
        cost numeric,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX calls_created_idx ON callgate.calls (created_at DESC, id DESC)",
    """
    CREATE INDEX calls_organization_idx
        ON callgate.calls (organization_id, created_at DESC, id DESC)
    """,
    """
    CREATE INDEX calls_blocked_idx ON callgate.calls (created_at DESC, id DESC) WHERE blocked
    """,
    """
    CREATE TABLE callgate.api_tokens (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        name text NOT NULL,
        token_hash bytea NOT NULL CONSTRAINT api_tokens_token_hash_key UNIQUE,
        role text NOT NULL
            CONSTRAINT api_tokens_role_check CHECK (role IN ('viewer', 'support', 'admin')),
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz,
        revoked_at timestamptz
    )
    """,
    """
    CREATE TABLE callgate.audit (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT now(),
        actor text NOT NULL,
        source text NOT NULL,
        action text NOT NULL,
        object_type text NOT NULL,
        object_id text NOT NULL,
        before jsonb,
        after jsonb
    )
    """,
    "CREATE INDEX audit_object_idx ON callgate.audit (object_type, object_id, id DESC)",
    """
    CREATE FUNCTION callgate.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'raise_exception';
    END $$
    """,
    """
    CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON callgate.audit
        FOR EACH STATEMENT EXECUTE FUNCTION callgate.refuse_audit_change()
    """,
    # One row: when the next request to Vapi may go out, for all replicas together.
    """
    CREATE TABLE callgate.vapi_budget (
        singleton boolean PRIMARY KEY DEFAULT true
            CONSTRAINT vapi_budget_singleton_check CHECK (singleton),
        next_request_at timestamptz NOT NULL DEFAULT '-infinity'
    )
    """,
    "INSERT INTO callgate.vapi_budget DEFAULT VALUES",
    # The access directory listens here. The payload names the organization to be read again; it
    # stays far below NOTIFY's 8,000 bytes whatever the row holds.
    """
    CREATE FUNCTION callgate.notify_directory() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        before uuid;
        after uuid;
    BEGIN
        IF TG_TABLE_NAME = 'organizations' THEN
            IF TG_OP <> 'INSERT' THEN before := OLD.id; END IF;
            IF TG_OP <> 'DELETE' THEN after := NEW.id; END IF;
        ELSE
            IF TG_OP <> 'INSERT' THEN before := OLD.organization_id; END IF;
            IF TG_OP <> 'DELETE' THEN after := NEW.organization_id; END IF;
        END IF;
        IF before IS NOT NULL THEN
            PERFORM pg_notify('callgate_directory', before::text);
        END IF;
        IF after IS NOT NULL AND after IS DISTINCT FROM before THEN
            PERFORM pg_notify('callgate_directory', after::text);
        END IF;
        RETURN NULL;
    END $$
    """,
    # A bulk change by hand (TRUNCATE, a restore) names no row: an empty payload means "all".
    """
    CREATE FUNCTION callgate.notify_directory_all() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('callgate_directory', '');
        RETURN NULL;
    END $$
    """,
    # The reconcile loop listens here: a number was added, changed, released or made due.
    """
    CREATE FUNCTION callgate.notify_reconcile() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('callgate_reconcile', NEW.phone_number_id::text);
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER webhook_states_notify AFTER INSERT OR UPDATE OF next_attempt_at
        ON callgate.webhook_states
        FOR EACH ROW WHEN (NEW.next_attempt_at <= now())
        EXECUTE FUNCTION callgate.notify_reconcile()
    """,
)

DIRECTORY_TABLES = (
    "organizations",
    "plans",
    "trials",
    "overrides",
    "assistants",
    "phone_numbers",
)

TABLES = (
    "audit",
    "api_tokens",
    "calls",
    "webhook_states",
    "phone_numbers",
    "assistants",
    "overrides",
    "trials",
    "plans",
    "organizations",
    "vapi_budget",
)

FUNCTIONS = (
    "notify_directory",
    "notify_directory_all",
    "notify_reconcile",
    "refuse_audit_change",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    for table in DIRECTORY_TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_notify AFTER INSERT OR UPDATE OR DELETE ON callgate.{table} "
            "FOR EACH ROW EXECUTE FUNCTION callgate.notify_directory()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_notify_all AFTER TRUNCATE ON callgate.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION callgate.notify_directory_all()"
        )


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE callgate.{table}")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION callgate.{function}()")
