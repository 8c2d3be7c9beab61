"""Control URLs are erased when their call is over, whichever statement records the end."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE FUNCTION callgate.erase_control_url() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.control_url := NULL;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER calls_erase_control_url BEFORE INSERT OR UPDATE ON callgate.calls
        FOR EACH ROW WHEN (NEW.control_url IS NOT NULL AND NEW.ended_at IS NOT NULL)
        EXECUTE FUNCTION callgate.erase_control_url()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER calls_erase_control_url ON callgate.calls")
    op.execute("DROP FUNCTION callgate.erase_control_url()")
