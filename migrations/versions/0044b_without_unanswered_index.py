"""Drops the index of granted calls without an answer whose reasons were incomplete."""

from alembic import op

from migrations.indexes import create_by_partition

revision = "0044b"
down_revision = "0044"
branch_labels = None
depends_on = None

UNANSWERED = """(created_at DESC, id DESC)
    WHERE NOT blocked AND cut_at IS NULL AND organization_id IS NOT NULL
        AND ended_reason ~ '^(assistant-request-(failed|returned-(error|unspeakable-error|invalid-assistant|no-assistant))$|assistant-(not-found|not-valid|join-timed-out)$|call[.-]start[.-]error-)'
"""


def upgrade() -> None:
    op.execute("DROP INDEX IF EXISTS callgate.calls_unanswered_idx")


def downgrade() -> None:
    create_by_partition("calls_unanswered_idx", "calls", UNANSWERED)
