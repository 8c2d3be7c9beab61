"""An index of corrected decisions."""

from migrations.indexes import create_concurrently, drop_concurrently

revision = "0022b"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_concurrently(
        "calls_corrected_idx", "ON callgate.calls (corrected_at) WHERE corrected_at IS NOT NULL"
    )


def downgrade() -> None:
    drop_concurrently("calls_corrected_idx")
