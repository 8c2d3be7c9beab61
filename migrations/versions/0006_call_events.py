"""The steps of calls, and indexes for reading calls."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = (
    # No foreign key: a step may be written a moment before its call's own row, and old ones go first.
    """
    CREATE TABLE callgate.call_events (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        vapi_call_id text NOT NULL,
        at timestamptz NOT NULL,
        kind text NOT NULL,
        detail jsonb NOT NULL DEFAULT '{}'
    )
    """,
    "CREATE INDEX call_events_call_idx ON callgate.call_events (vapi_call_id)",
    # A number that is known by an id of Vapi's only: unknown numbers, and calls of assistants.
    """
    CREATE INDEX calls_unregistered_idx
        ON callgate.calls (vapi_phone_number_id, created_at DESC, id DESC)
        WHERE phone_number_id IS NULL
    """,
    "CREATE INDEX calls_reason_idx ON callgate.calls (reason, created_at DESC, id DESC)",
    "CREATE INDEX calls_gate_idx ON callgate.calls (gate, created_at DESC, id DESC)",
    # With the reason in it, blocked calls are counted by reason without looking at their rows.
    "DROP INDEX callgate.calls_blocked_idx",
    """
    CREATE INDEX calls_blocked_idx ON callgate.calls (created_at DESC, id DESC)
        INCLUDE (reason) WHERE blocked
    """,
    # What has changed since: the live feed. Read without looking at the rows.
    "CREATE INDEX calls_updated_idx ON callgate.calls (updated_at, id)",
    """
    CREATE INDEX calls_now_idx ON callgate.calls (created_at)
        WHERE status = 'in-progress' AND ended_at IS NULL
    """,
    """
    CREATE INDEX calls_hangup_failed_idx ON callgate.calls (created_at DESC, id DESC)
        WHERE hangup_state IN ('failed', 'unconfirmed')
    """,
    "CREATE INDEX phone_numbers_number_idx ON callgate.phone_numbers (number)",
)

UNDO = (
    "DROP INDEX callgate.phone_numbers_number_idx",
    "DROP INDEX callgate.calls_hangup_failed_idx",
    "DROP INDEX callgate.calls_now_idx",
    "DROP INDEX callgate.calls_updated_idx",
    "DROP INDEX callgate.calls_blocked_idx",
    """
    CREATE INDEX calls_blocked_idx ON callgate.calls (created_at DESC, id DESC) WHERE blocked
    """,
    "DROP INDEX callgate.calls_gate_idx",
    "DROP INDEX callgate.calls_reason_idx",
    "DROP INDEX callgate.calls_unregistered_idx",
    "DROP TABLE callgate.call_events",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in UNDO:
        op.execute(statement)
