"""The history of plans, trials and overrides, recorded by triggers in the change's own transaction.

For rows of an earlier version it begins when they were last changed.
"""

from alembic import op

revision = "0015"
down_revision = "0014b"
branch_labels = None
depends_on = None

TABLES = ("plans", "trials", "overrides")

STATEMENTS: tuple[str, ...] = (
    # No foreign key: removing an organization fires the triggers of its entitlements.
    """
    CREATE TABLE callgate.entitlement_history (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        organization_id uuid NOT NULL,
        kind text NOT NULL
            CONSTRAINT entitlement_history_kind_check
            CHECK (kind IN ('plans', 'trials', 'overrides')),
        value jsonb,
        at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    """
    CREATE INDEX entitlement_history_place_idx
        ON callgate.entitlement_history (organization_id, kind, at DESC, id DESC)
    """,
    """
    CREATE FUNCTION callgate.record_entitlement() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        owner uuid;
        found jsonb;
    BEGIN
        IF TG_OP = 'DELETE' THEN
            owner := OLD.organization_id;
        ELSE
            owner := NEW.organization_id;
            found := to_jsonb(NEW);
        END IF;
        IF found IS NOT NULL AND TG_TABLE_NAME = 'plans' THEN
            found := found || jsonb_build_object('plan_as_of',
                (SELECT o.plan_as_of FROM callgate.organizations o WHERE o.id = owner));
        END IF;
        INSERT INTO callgate.entitlement_history (organization_id, kind, value)
        VALUES (owner, TG_TABLE_NAME, found);
        RETURN NULL;
    END $$
    """,
    """
    INSERT INTO callgate.entitlement_history (organization_id, kind, value, at)
    SELECT p.organization_id, 'plans',
        to_jsonb(p) || jsonb_build_object('plan_as_of', o.plan_as_of), p.updated_at
    FROM callgate.plans p JOIN callgate.organizations o ON o.id = p.organization_id
    """,
    """
    INSERT INTO callgate.entitlement_history (organization_id, kind, value, at)
    SELECT t.organization_id, 'trials', to_jsonb(t), t.updated_at FROM callgate.trials t
    """,
    """
    INSERT INTO callgate.entitlement_history (organization_id, kind, value, at)
    SELECT v.organization_id, 'overrides', to_jsonb(v), v.created_at FROM callgate.overrides v
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_history AFTER INSERT OR UPDATE OR DELETE ON callgate.{table} "
            "FOR EACH ROW EXECUTE FUNCTION callgate.record_entitlement()"
        )


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TRIGGER {table}_history ON callgate.{table}")
    op.execute("DROP FUNCTION callgate.record_entitlement()")
    op.execute("DROP TABLE callgate.entitlement_history")
