"""When a call ended by a report that Vapi was to confirm: the end of a call whose denial does not stand."""

from alembic import op

revision = "0042"
down_revision = "0041b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE callgate.calls ADD COLUMN end_claimed_at timestamptz")


def downgrade() -> None:
    op.execute("ALTER TABLE callgate.calls DROP COLUMN end_claimed_at")
