"""Rounds of hang-ups in the rows of calls: how many there were, when the next is due, who runs one.

So a replica that sees no job can go on where another one stopped, and two never run one round.
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

UP = (
    """
    ALTER TABLE callgate.calls
        ADD COLUMN hangup_rounds smallint NOT NULL DEFAULT 0,
        ADD COLUMN hangup_due_at timestamptz,
        ADD COLUMN hangup_claimed_until timestamptz
    """,
)

DOWN = (
    """
    ALTER TABLE callgate.calls DROP COLUMN hangup_claimed_until, DROP COLUMN hangup_due_at,
        DROP COLUMN hangup_rounds
    """,
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
