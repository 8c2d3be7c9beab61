"""An index of the control URLs that are kept, and an end to those of calls that are over."""

from alembic import op

from migrations.indexes import create_concurrently, drop_concurrently

revision = "0014b"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # For those whose end no message and no list of Vapi ever reports.
    create_concurrently(
        "calls_control_url_idx", "ON callgate.calls (created_at) WHERE control_url IS NOT NULL"
    )
    op.execute(
        """
        UPDATE callgate.calls SET control_url = NULL
        WHERE control_url IS NOT NULL AND ended_at IS NOT NULL
        """
    )


def downgrade() -> None:
    drop_concurrently("calls_control_url_idx")
