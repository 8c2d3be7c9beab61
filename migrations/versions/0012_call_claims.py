"""Decisions per call and organization, and what Vapi's own record of a call has proved.

Only additions: a replica of the version before works on with them.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # Another organization than the call's was named by a message: decided for itself, and settled
    # once Vapi has told whose call it is.
    """
    CREATE TABLE callgate.call_claims (
        vapi_call_id text NOT NULL,
        organization_id uuid NOT NULL,
        phone_number_id uuid,
        vapi_phone_number_id text,
        gate text NOT NULL,
        blocked boolean NOT NULL,
        decision jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        settled_at timestamptz,
        CONSTRAINT call_claims_pkey PRIMARY KEY (vapi_call_id, organization_id)
    )
    """,
    "CREATE INDEX call_claims_created_idx ON callgate.call_claims (created_at)",
    "ALTER TABLE callgate.calls ADD COLUMN owner_checked_at timestamptz",
    "ALTER TABLE callgate.calls ADD COLUMN end_proved boolean NOT NULL DEFAULT false",
    "ALTER TABLE callgate.calls ADD COLUMN hangup_accepted boolean NOT NULL DEFAULT false",
)

UNDO: tuple[str, ...] = (
    "ALTER TABLE callgate.calls DROP COLUMN hangup_accepted",
    "ALTER TABLE callgate.calls DROP COLUMN end_proved",
    "ALTER TABLE callgate.calls DROP COLUMN owner_checked_at",
    "DROP TABLE callgate.call_claims",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in UNDO:
        op.execute(statement)
