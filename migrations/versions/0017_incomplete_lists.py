"""Sweeps over incomplete lists of Vapi, and what the comparison of calls could not read.

A sweep that reads an incomplete list is neither done nor failed. The row of the call watch holds the
gap and the malformed elements of its last comparison, for the conditions of every replica.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

OUTCOMES = "'running', 'done', 'incomplete', 'held', 'failed'"

STATEMENTS = (
    "ALTER TABLE callgate.sweeps DROP CONSTRAINT sweeps_outcome_check",
    f"""
    ALTER TABLE callgate.sweeps ADD CONSTRAINT sweeps_outcome_check
        CHECK (outcome IN ({OUTCOMES}))
    """,
    """
    ALTER TABLE callgate.call_watch
        ADD COLUMN malformed integer NOT NULL DEFAULT 0,
        ADD COLUMN gap text
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE callgate.call_watch DROP COLUMN malformed, DROP COLUMN gap")
    op.execute("UPDATE callgate.sweeps SET outcome = 'failed' WHERE outcome = 'incomplete'")
    op.execute("ALTER TABLE callgate.sweeps DROP CONSTRAINT sweeps_outcome_check")
    op.execute(
        """
        ALTER TABLE callgate.sweeps ADD CONSTRAINT sweeps_outcome_check
            CHECK (outcome IN ('running', 'done', 'held', 'failed'))
        """
    )
