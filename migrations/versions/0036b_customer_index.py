"""An index of calls by the last digits of the customer's number; further ones are compared in the rows."""

from migrations.indexes import create_concurrently, drop_concurrently

revision = "0036b"
down_revision = "0036"
branch_labels = None
depends_on = None

CUSTOMER = """
    ON callgate.calls (right(customer_number, 4), created_at DESC, id DESC)
    WHERE customer_number IS NOT NULL
"""


def upgrade() -> None:
    create_concurrently("calls_customer_idx", CUSTOMER)


def downgrade() -> None:
    drop_concurrently("calls_customer_idx")
