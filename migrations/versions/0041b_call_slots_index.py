"""An index of the calls under way that hold slots of limits: as small as they are few."""

from alembic import op

from migrations.indexes import create_by_partition

revision = "0041b"
down_revision = "0041"
branch_labels = None
depends_on = None

HELD = "(organization_id) WHERE slots IS NOT NULL AND ended_at IS NULL"


def upgrade() -> None:
    create_by_partition("calls_slots_idx", "calls", HELD)


def downgrade() -> None:
    op.execute("DROP INDEX IF EXISTS callgate.calls_slots_idx")
