"""Indexes of the hang-ups under way."""

from migrations.indexes import create_concurrently, drop_concurrently

revision = "0025b"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_concurrently(
        "calls_hangup_pending_idx",
        "ON callgate.calls (hangup_due_at) WHERE hangup_state = 'pending'",
    )
    create_concurrently(
        "calls_cut_idx",
        "ON callgate.calls (cut_at) WHERE cut_at IS NOT NULL AND NOT end_proved",
    )


def downgrade() -> None:
    drop_concurrently("calls_cut_idx")
    drop_concurrently("calls_hangup_pending_idx")
