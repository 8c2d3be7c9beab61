"""What answers granted calls: facts about each number at Vapi."""

from alembic import op

revision = "0029"
down_revision = "0028b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE callgate.webhook_states
            ADD COLUMN attached boolean, ADD COLUMN answer_missing text
        """
    )


def downgrade() -> None:
    op.execute(
        "ALTER TABLE callgate.webhook_states DROP COLUMN attached, DROP COLUMN answer_missing"
    )
