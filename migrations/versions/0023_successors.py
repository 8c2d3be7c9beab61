"""Numbers that are missing at Vapi and came back under another id: where the last sweep saw them."""

from alembic import op

revision = "0023"
down_revision = "0022b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE callgate.webhook_states ADD COLUMN successor_vapi_id text")


def downgrade() -> None:
    op.execute("ALTER TABLE callgate.webhook_states DROP COLUMN successor_vapi_id")
