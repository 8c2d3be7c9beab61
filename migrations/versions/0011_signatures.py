"""Signed messages that were answered within the tolerance, so that all replicas refuse a repetition."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE callgate.webhook_signatures (
        digest bytea CONSTRAINT webhook_signatures_pkey PRIMARY KEY,
        seen_at timestamptz NOT NULL DEFAULT now(),
        done boolean NOT NULL DEFAULT false
    )
    """,
    "CREATE INDEX webhook_signatures_seen_idx ON callgate.webhook_signatures (seen_at)",
)

UNDO: tuple[str, ...] = ("DROP TABLE callgate.webhook_signatures",)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in UNDO:
        op.execute(statement)
