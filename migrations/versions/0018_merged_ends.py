"""Which figures of a call are claims of reports: Vapi's own replace them, in whatever order they arrive.

Only additions: a replica of the version before works on with them. Figures of calls that are recorded
already count as Vapi's once the end is proved, as before.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE callgate.calls ADD COLUMN duration_claimed boolean NOT NULL DEFAULT false"
    )
    op.execute("ALTER TABLE callgate.calls ADD COLUMN cost_claimed boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    op.execute("ALTER TABLE callgate.calls DROP COLUMN cost_claimed")
    op.execute("ALTER TABLE callgate.calls DROP COLUMN duration_claimed")
