"""The claim of the replica that deletes rows past their age."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE callgate.retention (
        id boolean PRIMARY KEY DEFAULT true CONSTRAINT retention_id_check CHECK (id),
        claim bigint NOT NULL DEFAULT 0,
        claimed_until timestamptz,
        next_at timestamptz NOT NULL
    )
    """,
    # Not at once: a new version may be taken back.
    "INSERT INTO callgate.retention (next_at) VALUES (now() + interval '1 hour')",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE callgate.retention")
