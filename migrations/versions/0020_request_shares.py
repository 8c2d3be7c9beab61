"""Shares of the budget of requests to Vapi, by kind of work.

The row keeps its clock of all requests, by which replicas of an earlier version go, and gains those of
the kinds, the replicas that use it, and a version for writing without locks.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE callgate.vapi_budget
            ADD COLUMN state jsonb NOT NULL DEFAULT '{}',
            ADD COLUMN version bigint NOT NULL DEFAULT 0
        """
    )


def downgrade() -> None:
    op.execute("ALTER TABLE callgate.vapi_budget DROP COLUMN state, DROP COLUMN version")
