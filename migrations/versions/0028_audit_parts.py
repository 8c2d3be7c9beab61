"""Audit entries of the rows of an import: parts of the import's one entry."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    "ALTER TABLE callgate.audit ADD COLUMN part_of bigint",
    "CREATE INDEX audit_part_idx ON callgate.audit (part_of, at, id) WHERE part_of IS NOT NULL",
    "ALTER TABLE callgate.imports ADD COLUMN audit_id bigint",
)

UNDO: tuple[str, ...] = (
    "ALTER TABLE callgate.imports DROP COLUMN audit_id",
    "DROP INDEX callgate.audit_part_idx",
    "ALTER TABLE callgate.audit DROP COLUMN part_of",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in UNDO:
        op.execute(statement)
