"""A month for each call, by which the table of calls is partitioned two revisions later.

All rows of before get this month, at no cost: the value says only in which partition a row stands. The
previous version goes on recording meanwhile; its rows get the same constant. The check, validated by
the next revision beside the writers, spares the switch a scan of the table under its lock.
"""

from alembic import op

revision = "0037"
down_revision = "0036b"
branch_labels = None
depends_on = None

ADD_MONTH = """
DO $$
DECLARE
    month date := date_trunc('month', now() AT TIME ZONE 'UTC');
BEGIN
    EXECUTE format('ALTER TABLE callgate.calls ADD COLUMN month date NOT NULL DEFAULT %L', month);
    EXECUTE format('ALTER TABLE callgate.calls ADD CONSTRAINT calls_month_check '
        'CHECK (month < %L) NOT VALID', (month + interval '1 month')::date);
END $$
"""


def upgrade() -> None:
    op.execute(ADD_MONTH)


def downgrade() -> None:
    op.execute("ALTER TABLE callgate.calls DROP COLUMN month")
