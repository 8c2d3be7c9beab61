"""Indexes and triggers that page the lists of organizations and changes in any order."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    "CREATE INDEX organizations_created_idx ON callgate.organizations (created_at, id)",
    "CREATE INDEX trials_end_idx ON callgate.trials (ends_at, organization_id)",
    "CREATE INDEX plans_end_idx ON callgate.plans (current_period_end, organization_id)",
    # Changes of one object are serialized, so that their instants are in order.
    "ALTER TABLE callgate.audit ALTER COLUMN at SET DEFAULT clock_timestamp()",
    # The entry that a change undid, so that the audit alone shows both.
    "ALTER TABLE callgate.audit ADD COLUMN undoes bigint",
    "CREATE INDEX audit_undoes_idx ON callgate.audit (undoes) WHERE undoes IS NOT NULL",
    "CREATE INDEX audit_at_idx ON callgate.audit (at, id)",
    "CREATE INDEX audit_actor_idx ON callgate.audit (actor, at, id)",
    "CREATE INDEX audit_source_idx ON callgate.audit (source, at, id)",
    "CREATE INDEX audit_action_idx ON callgate.audit (action, at, id)",
    "CREATE INDEX audit_kind_idx ON callgate.audit (object_type, at, id)",
    "CREATE INDEX audit_id_idx ON callgate.audit (object_id, at, id)",
    # An organization's former numbers are found only in the changes of these numbers.
    """
    CREATE INDEX audit_owner_idx
        ON callgate.audit ((coalesce(after, before) ->> 'organization_id'))
        WHERE object_type = 'phone_number'
    """,
    """
    CREATE INDEX calls_stopped_idx ON callgate.calls (organization_id, created_at)
        INCLUDE (blocked, cut_at, reason, cut_reason)
        WHERE blocked OR cut_at IS NOT NULL
    """,
)

UNDO: tuple[str, ...] = (
    "DROP INDEX callgate.calls_stopped_idx",
    "DROP INDEX callgate.audit_owner_idx",
    "DROP INDEX callgate.audit_id_idx",
    "DROP INDEX callgate.audit_kind_idx",
    "DROP INDEX callgate.audit_action_idx",
    "DROP INDEX callgate.audit_source_idx",
    "DROP INDEX callgate.audit_actor_idx",
    "DROP INDEX callgate.audit_at_idx",
    "DROP INDEX callgate.audit_undoes_idx",
    "ALTER TABLE callgate.audit DROP COLUMN undoes",
    "ALTER TABLE callgate.audit ALTER COLUMN at SET DEFAULT now()",
    "DROP INDEX callgate.plans_end_idx",
    "DROP INDEX callgate.trials_end_idx",
    "DROP INDEX callgate.organizations_created_idx",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in UNDO:
        op.execute(statement)
