"""The record of a call: who called whom, by which assistant, what its cost is made of, what is doubted.

Texts compare byte by byte (collation "C"), as the merging of records does outside of PostgreSQL.
`connected` is null for the calls of before: whether they were connected was not recorded.
"""

from alembic import op

revision = "0036"
down_revision = "0035b"
branch_labels = None
depends_on = None

UP = (
    """
    ALTER TABLE callgate.calls
        ADD COLUMN customer_number text COLLATE "C", ADD COLUMN line_number text COLLATE "C",
        ADD COLUMN assistant_id text COLLATE "C", ADD COLUMN cost_parts jsonb,
        ADD COLUMN connected boolean, ADD COLUMN doubts text[] NOT NULL DEFAULT '{}'
    """,
    """
    CREATE TABLE callgate.call_transcripts (
        vapi_call_id text COLLATE "C" PRIMARY KEY,
        organization_id uuid NOT NULL REFERENCES callgate.organizations (id) ON DELETE CASCADE,
        transcript text,
        recording_url text,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL)
    """,
    "CREATE INDEX call_transcripts_expiry_idx ON callgate.call_transcripts (expires_at)",
    # For the deletion of an organization.
    """
    CREATE INDEX call_transcripts_organization_idx ON callgate.call_transcripts (organization_id)
    """,
)
DOWN = (
    "DROP TABLE callgate.call_transcripts",
    """
    ALTER TABLE callgate.calls DROP COLUMN doubts, DROP COLUMN connected, DROP COLUMN cost_parts,
        DROP COLUMN assistant_id, DROP COLUMN line_number, DROP COLUMN customer_number
    """,
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
