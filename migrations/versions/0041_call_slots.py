"""The names of the limits that a call holds while it is under way; null: none."""

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE callgate.calls ADD COLUMN slots text[]")


def downgrade() -> None:
    op.execute("ALTER TABLE callgate.calls DROP COLUMN slots")
