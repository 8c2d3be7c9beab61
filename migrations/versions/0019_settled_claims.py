"""Find claims by when they were settled: every replica follows them."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX call_claims_settled_idx ON callgate.call_claims (settled_at) "
        "WHERE settled_at IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX callgate.call_claims_settled_idx")
