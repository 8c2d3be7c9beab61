"""An index of the relayed messages of a call that are done. `relay_messages_call_idx` has what waits, so
that a message gets its entry here once, when it is done.
"""

from migrations.indexes import create_concurrently, drop_concurrently

revision = "0034b"
down_revision = "0034"
branch_labels = None
depends_on = None

DONE = """
    ON callgate.relay_messages (organization_id, vapi_call_id, received_at, id)
    WHERE done_at IS NOT NULL
"""


def upgrade() -> None:
    create_concurrently("relay_messages_done_idx", DONE)


def downgrade() -> None:
    drop_concurrently("relay_messages_done_idx")
