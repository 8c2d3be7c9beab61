"""An index of the latest changes of an organization: each entry of the directory is read with them."""

from alembic import op

revision = "0026"
down_revision = "0025b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE INDEX entitlement_history_recent_idx
            ON callgate.entitlement_history (organization_id, at DESC) WHERE undoes
        """
    )


def downgrade() -> None:
    op.execute("DROP INDEX callgate.entitlement_history_recent_idx")
