"""The unique keys of calls with their month, built while calls are recorded."""

from alembic import op

from migrations.indexes import create_concurrently, drop_concurrently

revision = "0037b"
down_revision = "0037"
branch_labels = None
depends_on = None


NOT_VALID = """
DO $$
DECLARE
    definition text := (SELECT pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conname = 'calls_month_check' AND conrelid = 'callgate.calls'::regclass);
BEGIN
    ALTER TABLE callgate.calls DROP CONSTRAINT calls_month_check;
    EXECUTE format('ALTER TABLE callgate.calls ADD CONSTRAINT calls_month_check %s NOT VALID',
        definition);
END $$
"""


def upgrade() -> None:
    for name, columns in (
        ("calls_month_pkey", "(id, month)"),
        ("calls_month_key", "(vapi_call_id, month)"),
    ):
        create_concurrently(name, f"ON callgate.calls {columns}", unique=True)
    op.execute("ALTER TABLE callgate.calls VALIDATE CONSTRAINT calls_month_check")


def downgrade() -> None:
    op.execute(NOT_VALID)
    drop_concurrently("calls_month_key")
    drop_concurrently("calls_month_pkey")
