"""An index of transcripts by when they were stored, for those whose month of calls was dropped."""

from migrations.indexes import create_concurrently, drop_concurrently

revision = "0042b"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_concurrently("call_transcripts_created_idx", "ON callgate.call_transcripts (created_at)")


def downgrade() -> None:
    drop_concurrently("call_transcripts_created_idx")
