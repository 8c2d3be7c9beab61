"""An index of granted calls without an answer."""

from migrations.indexes import create_concurrently, drop_concurrently

revision = "0028b"
down_revision = "0028"
branch_labels = None
depends_on = None

UNANSWERED = """
    ON callgate.calls (created_at DESC, id DESC)
    WHERE NOT blocked AND cut_at IS NULL AND organization_id IS NOT NULL
        AND ended_reason ~ '^(assistant-request-(failed|returned-(error|unspeakable-error|invalid-assistant|no-assistant))$|assistant-(not-found|not-valid|join-timed-out)$|call[.-]start[.-]error-)'
"""


def upgrade() -> None:
    create_concurrently("calls_unanswered_idx", UNANSWERED)


def downgrade() -> None:
    drop_concurrently("calls_unanswered_idx")
