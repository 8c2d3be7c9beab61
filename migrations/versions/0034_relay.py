"""The relay: lasting messages with their delivery, the workers that deliver them, failing servers.

Of the messages of a call, the undone one that was received first is its head: it alone may be
delivered. `claimed_by` names a worker; a claim holds while its worker is alive. No foreign key leads to
the organizations: recording a message must not wait for an admin who changes its organization.

Only additions: a replica of the version before works on with them.
"""

from alembic import op

revision = "0034"
down_revision = "0032"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Sealed like all secrets at rest. The former one signs too until an instant.
    """
    ALTER TABLE callgate.organizations
        ADD COLUMN relay_secret text,
        ADD COLUMN relay_secret_before text,
        ADD COLUMN relay_secret_before_until timestamptz
    """,
    """
    CREATE TABLE callgate.relay_workers (
        id uuid CONSTRAINT relay_workers_pkey PRIMARY KEY,
        alive_until timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE callgate.relay_messages (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT relay_messages_pkey PRIMARY KEY,
        organization_id uuid NOT NULL,
        webhook_id text NOT NULL,
        vapi_call_id text NOT NULL,
        type text NOT NULL,
        content_type text NOT NULL,
        decision_id text,
        body bytea NOT NULL,
        size integer NOT NULL,
        received_at timestamptz NOT NULL,
        attempts integer NOT NULL DEFAULT 0,
        due_at timestamptz NOT NULL,
        claimed_by uuid,
        done_at timestamptz,
        outcome text CONSTRAINT relay_messages_outcome_check
            CHECK (outcome IN ('delivered', 'expired', 'dropped')),
        last_error text,
        CONSTRAINT relay_messages_webhook_id_key UNIQUE (organization_id, webhook_id)
    )
    """,
    # The head of a call.
    """
    CREATE INDEX relay_messages_call_idx
        ON callgate.relay_messages (organization_id, vapi_call_id, received_at, id)
        WHERE done_at IS NULL
    """,
    # What waits for a worker.
    """
    CREATE INDEX relay_messages_due_idx ON callgate.relay_messages (organization_id, due_at)
        WHERE done_at IS NULL AND claimed_by IS NULL
    """,
    # Lists and replays.
    """
    CREATE INDEX relay_messages_received_idx
        ON callgate.relay_messages (organization_id, received_at, id)
    """,
    """
    CREATE TABLE callgate.relay_states (
        organization_id uuid CONSTRAINT relay_states_pkey PRIMARY KEY,
        failures integer NOT NULL DEFAULT 0,
        parked_at timestamptz,
        probe_at timestamptz,
        probes integer NOT NULL DEFAULT 0,
        last_error text,
        last_error_at timestamptz,
        dropped bigint NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE FUNCTION callgate.delete_relay() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM callgate.relay_messages WHERE organization_id = OLD.id;
        DELETE FROM callgate.relay_states WHERE organization_id = OLD.id;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER organizations_relay AFTER DELETE ON callgate.organizations
        FOR EACH ROW EXECUTE FUNCTION callgate.delete_relay()
    """,
    # Another server starts without failures.
    """
    CREATE FUNCTION callgate.reset_relay() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE callgate.relay_states
        SET failures = 0, parked_at = NULL, probe_at = NULL, probes = 0
        WHERE organization_id = NEW.id;
        UPDATE callgate.relay_messages SET due_at = now()
        WHERE organization_id = NEW.id AND done_at IS NULL AND due_at > now();
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER organizations_relay_url AFTER UPDATE OF forward_url ON callgate.organizations
        FOR EACH ROW WHEN (OLD.forward_url IS DISTINCT FROM NEW.forward_url)
        EXECUTE FUNCTION callgate.reset_relay()
    """,
)

UNDONE = (
    "DROP TRIGGER organizations_relay_url ON callgate.organizations",
    "DROP FUNCTION callgate.reset_relay()",
    "DROP TRIGGER organizations_relay ON callgate.organizations",
    "DROP FUNCTION callgate.delete_relay()",
    "DROP TABLE callgate.relay_states, callgate.relay_messages, callgate.relay_workers",
    """
    ALTER TABLE callgate.organizations DROP COLUMN relay_secret_before_until,
        DROP COLUMN relay_secret_before, DROP COLUMN relay_secret
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in UNDONE:
        op.execute(statement)
