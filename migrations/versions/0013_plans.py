"""Plans in the words of billing systems, and trials that end when they begin.

The older release reads these rows too: its plan policy has no opinion about a status it does not know.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    "ALTER TABLE callgate.plans ADD COLUMN cancel_at_period_end boolean NOT NULL DEFAULT false",
    "ALTER TABLE callgate.plans ADD COLUMN limits jsonb",
    # When the billing system made the newest plan or its removal; survives the plan.
    "ALTER TABLE callgate.organizations ADD COLUMN plan_as_of timestamptz",
    "ALTER TABLE callgate.plans DROP CONSTRAINT plans_status_check",
    """
    ALTER TABLE callgate.plans ADD CONSTRAINT plans_status_check CHECK (status IN (
        'active', 'trialing', 'past_due', 'unpaid', 'canceled', 'paused', 'incomplete',
        'incomplete_expired'))
    """,
    "ALTER TABLE callgate.trials DROP CONSTRAINT trials_period_check",
    """
    ALTER TABLE callgate.trials ADD CONSTRAINT trials_period_check CHECK (starts_at <= ends_at)
    """,
)

UNDO: tuple[str, ...] = (
    "DELETE FROM callgate.trials WHERE starts_at = ends_at",
    "ALTER TABLE callgate.trials DROP CONSTRAINT trials_period_check",
    """
    ALTER TABLE callgate.trials ADD CONSTRAINT trials_period_check CHECK (starts_at < ends_at)
    """,
    """
    UPDATE callgate.plans SET status = CASE status WHEN 'trialing' THEN 'active' ELSE 'paused' END
    WHERE status IN ('trialing', 'unpaid', 'incomplete', 'incomplete_expired')
    """,
    "ALTER TABLE callgate.plans DROP CONSTRAINT plans_status_check",
    """
    ALTER TABLE callgate.plans ADD CONSTRAINT plans_status_check
        CHECK (status IN ('active', 'past_due', 'canceled', 'paused'))
    """,
    "ALTER TABLE callgate.organizations DROP COLUMN plan_as_of",
    "ALTER TABLE callgate.plans DROP COLUMN limits",
    "ALTER TABLE callgate.plans DROP COLUMN cancel_at_period_end",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in UNDO:
        op.execute(statement)
