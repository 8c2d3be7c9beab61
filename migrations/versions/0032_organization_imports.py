"""Imports of organizations, how far the undoing of an import has come, and when admins were changed."""

from alembic import op

revision = "0032"
down_revision = "0029"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    ALTER TABLE callgate.imports ADD COLUMN kind text NOT NULL DEFAULT 'phone_numbers'
        CONSTRAINT imports_kind_check CHECK (kind IN ('phone_numbers', 'organizations'))
    """,
    # `wanted` are the values of a row of organizations, `organization_id` the row's organization.
    "ALTER TABLE callgate.import_rows ADD COLUMN wanted jsonb, ADD COLUMN organization_id uuid",
    "CREATE TABLE callgate.import_undos (audit_id bigint PRIMARY KEY, below bigint NOT NULL)",
    # Forms of an admin notice what another admin changed since this instant.
    "ALTER TABLE callgate.admins ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now()",
)

UNDO: tuple[str, ...] = (
    "ALTER TABLE callgate.admins DROP COLUMN updated_at",
    "DROP TABLE callgate.import_undos",
    "ALTER TABLE callgate.import_rows DROP COLUMN wanted, DROP COLUMN organization_id",
    "DELETE FROM callgate.imports WHERE kind = 'organizations'",
    "ALTER TABLE callgate.imports DROP COLUMN kind",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in UNDO:
        op.execute(statement)
