"""Imports of phone numbers: their rows, each with its outcome."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # The applying worker holds a claim that expires; writes under an older claim are rejected.
    """
    CREATE TABLE callgate.imports (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        created_by text NOT NULL,
        source text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        file_name text NOT NULL,
        state text NOT NULL DEFAULT 'planned' CONSTRAINT imports_state_check
            CHECK (state IN ('planned', 'applying', 'applied', 'canceled')),
        warning text,
        applied_by text,
        applied_at timestamptz,
        claim bigint NOT NULL DEFAULT 0,
        claimed_until timestamptz,
        finished_at timestamptz
    )
    """,
    "CREATE INDEX imports_created_idx ON callgate.imports (created_at, id)",
    "CREATE INDEX imports_applying_idx ON callgate.imports (applied_at) WHERE state = 'applying'",
    # `outcome` is null while there is something to do for the row.
    """
    CREATE TABLE callgate.import_rows (
        import_id uuid NOT NULL REFERENCES callgate.imports (id) ON DELETE CASCADE,
        line integer NOT NULL,
        plan jsonb NOT NULL,
        action text NOT NULL CONSTRAINT import_rows_action_check
            CHECK (action IN ('create', 'update', 'unchanged', 'error')),
        outcome text CONSTRAINT import_rows_outcome_check
            CHECK (outcome IN ('done', 'unchanged', 'failed')),
        message text,
        phone_number_id uuid,
        PRIMARY KEY (import_id, line)
    )
    """,
    """
    CREATE INDEX import_rows_problems_idx
        ON callgate.import_rows (import_id, (outcome IS DISTINCT FROM 'failed'), line)
    """,
    """
    CREATE INDEX import_rows_todo_idx ON callgate.import_rows (import_id, line)
        WHERE outcome IS NULL
    """,
)

UNDO: tuple[str, ...] = (
    "DROP TABLE callgate.import_rows",
    "DROP TABLE callgate.imports",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in UNDO:
        op.execute(statement)
