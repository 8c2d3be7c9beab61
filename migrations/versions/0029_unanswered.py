"""What answers granted calls: facts about each number at Vapi, and an index of calls without an answer."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE callgate.webhook_states
            ADD COLUMN attached boolean, ADD COLUMN answer_missing text
        """
    )
    op.execute(
        """
        CREATE INDEX calls_unanswered_idx ON callgate.calls (created_at DESC, id DESC)
        WHERE NOT blocked AND cut_at IS NULL AND organization_id IS NOT NULL
            AND ended_reason ~ '^(assistant-request-(failed|returned-(error|unspeakable-error|invalid-assistant|no-assistant))$|assistant-(not-found|not-valid|join-timed-out)$|call[.-]start[.-]error-)'
        """
    )


def downgrade() -> None:
    op.execute("DROP INDEX callgate.calls_unanswered_idx")
    op.execute(
        "ALTER TABLE callgate.webhook_states DROP COLUMN attached, DROP COLUMN answer_missing"
    )
