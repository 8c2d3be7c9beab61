"""The cells of an import's rows as the file gives them, to write them into the file of failed rows."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE callgate.import_rows ADD COLUMN given jsonb")


def downgrade() -> None:
    op.execute("ALTER TABLE callgate.import_rows DROP COLUMN given")
