"""An index of granted calls without an answer, which knows one more of Vapi's reasons: the version of the
assistant is not valid. It takes the place of `calls_unanswered_idx`."""

from alembic import op

from migrations.indexes import create_by_partition

revision = "0044"
down_revision = "0043b"
branch_labels = None
depends_on = None

UNANSWERED = """(created_at DESC, id DESC)
    WHERE NOT blocked AND cut_at IS NULL AND organization_id IS NOT NULL
        AND ended_reason ~ '^(assistant-request-(failed|returned-(error|unspeakable-error|invalid-assistant|no-assistant))$|assistant-(not-found|not-valid|join-timed-out)$|call[.-]start[.-](error|assistant-version-error)-)'
"""


def upgrade() -> None:
    create_by_partition("calls_unanswered_ends_idx", "calls", UNANSWERED)


def downgrade() -> None:
    op.execute("DROP INDEX IF EXISTS callgate.calls_unanswered_ends_idx")
