"""Whether the database belongs to the sandbox or to a real Vapi account."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # One row. `mode` is NULL until the first start decides it.
    """
    CREATE TABLE callgate.installation (
        singleton boolean PRIMARY KEY DEFAULT true
            CONSTRAINT installation_singleton_check CHECK (singleton),
        mode text CONSTRAINT installation_mode_check CHECK (mode IN ('sandbox', 'real')),
        marked_at timestamptz
    )
    """,
    # A database of an earlier version is judged by its contents: the sandbox's samples, and numbers of
    # no other Vapi organization than the sandbox's. Any other data counts as real.
    """
    INSERT INTO callgate.installation (mode, marked_at)
    SELECT found.mode, CASE WHEN found.mode IS NULL THEN NULL ELSE now() END
    FROM (SELECT CASE
        WHEN EXISTS (SELECT FROM callgate.organizations WHERE external_id IN
                ('sample-blocked-bakery', 'sample-paying-pizza', 'sample-trial-tailor'))
            AND NOT EXISTS (SELECT FROM callgate.webhook_states
                WHERE vapi_org_id <> '5a3d0000-0000-4000-8000-0000000000a0') THEN 'sandbox'
        WHEN EXISTS (SELECT FROM callgate.organizations) OR EXISTS (SELECT FROM callgate.calls)
            OR EXISTS (SELECT FROM callgate.admins) THEN 'real'
        END AS mode) AS found
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE callgate.installation")
