"""An index of relayed messages that were lost."""

from migrations.indexes import create_concurrently, drop_concurrently

revision = "0034c"
down_revision = "0034b"
branch_labels = None
depends_on = None

LOST = """
    ON callgate.relay_messages (organization_id, outcome, received_at, id)
    WHERE outcome IN ('expired', 'dropped')
"""


def upgrade() -> None:
    create_concurrently("relay_messages_lost_idx", LOST)


def downgrade() -> None:
    drop_concurrently("relay_messages_lost_idx")
