"""The history of all that decides calls, to be undone step by step, and corrected decisions.

`before` is the row before a change, NULL where there was none: the facts of an instant are the present
ones without the changes since. Rows of an earlier version do not know the previous row, so `undoes` is
false for them. `key` is Vapi's id of a number or an assistant.

Only additions: a replica of the version before works on with them.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

KINDS = "'plans', 'trials', 'overrides', 'organizations', 'phone_numbers', 'assistants'"

STATEMENTS = (
    """
    ALTER TABLE callgate.entitlement_history
        ADD COLUMN key text,
        ADD COLUMN before jsonb,
        ADD COLUMN undoes boolean NOT NULL DEFAULT false,
        DROP CONSTRAINT entitlement_history_kind_check
    """,
    f"""
    ALTER TABLE callgate.entitlement_history ADD CONSTRAINT entitlement_history_kind_check
        CHECK (kind IN ({KINDS}))
    """,
    """
    CREATE OR REPLACE FUNCTION callgate.record_entitlement() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        owner uuid;
        former jsonb;
        found jsonb;
        as_of jsonb := '{}';
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            owner := OLD.organization_id;
            former := to_jsonb(OLD);
        END IF;
        IF TG_OP <> 'DELETE' THEN
            owner := NEW.organization_id;
            found := to_jsonb(NEW);
        END IF;
        IF TG_TABLE_NAME = 'plans' THEN
            as_of := jsonb_build_object('plan_as_of',
                (SELECT o.plan_as_of FROM callgate.organizations o WHERE o.id = owner));
        END IF;
        INSERT INTO callgate.entitlement_history (organization_id, kind, value, before, undoes)
        VALUES (owner, TG_TABLE_NAME, found || as_of, former || as_of, true);
        RETURN NULL;
    END $$
    """,
    # The fields of an organization that policies see, and its choices for calls; no other field.
    """
    CREATE FUNCTION callgate.decides(o callgate.organizations) RETURNS jsonb LANGUAGE sql IMMUTABLE
    AS $$
        SELECT jsonb_build_object('name', o.name, 'external_id', o.external_id,
            'attributes', o.attributes, 'handling', o.handling)
    $$
    """,
    """
    CREATE FUNCTION callgate.record_organization() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        former jsonb;
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            former := callgate.decides(OLD);
            IF former = callgate.decides(NEW) THEN
                RETURN NULL;
            END IF;
        END IF;
        INSERT INTO callgate.entitlement_history (organization_id, kind, value, before, undoes)
        VALUES (NEW.id, 'organizations', callgate.decides(NEW), former, true);
        RETURN NULL;
    END $$
    """,
    # A released number keeps its row: it is no number of its organization any more.
    """
    CREATE FUNCTION callgate.decides(n callgate.phone_numbers) RETURNS jsonb LANGUAGE sql IMMUTABLE
    AS $$
        SELECT CASE WHEN n.released_at IS NULL THEN jsonb_build_object('id', n.id,
            'vapi_phone_number_id', n.vapi_phone_number_id, 'number', n.number, 'label', n.label,
            'gate', n.gate, 'answer_with', n.answer_with) END
    $$
    """,
    """
    CREATE FUNCTION callgate.decides(a callgate.assistants) RETURNS jsonb LANGUAGE sql IMMUTABLE
    AS $$
        SELECT jsonb_build_object('vapi_assistant_id', a.vapi_assistant_id)
    $$
    """,
    # A move is two changes: one organization loses what the other one gets.
    """
    CREATE FUNCTION callgate.record_line() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        former_owner uuid;
        former jsonb;
        owner uuid;
        found jsonb;
        name text := CASE TG_TABLE_NAME WHEN 'phone_numbers' THEN 'vapi_phone_number_id'
            ELSE 'vapi_assistant_id' END;
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            former := callgate.decides(OLD);
            former_owner := CASE WHEN former IS NOT NULL THEN OLD.organization_id END;
        END IF;
        IF TG_OP <> 'DELETE' THEN
            found := callgate.decides(NEW);
            owner := CASE WHEN found IS NOT NULL THEN NEW.organization_id END;
        END IF;
        IF owner IS NOT DISTINCT FROM former_owner AND found IS NOT DISTINCT FROM former THEN
            RETURN NULL;
        END IF;
        IF former_owner IS NOT NULL THEN
            INSERT INTO callgate.entitlement_history
                (organization_id, kind, key, value, before, undoes)
            VALUES (former_owner, TG_TABLE_NAME, former ->> name,
                CASE WHEN owner = former_owner THEN found END, former, true);
        END IF;
        IF owner IS NOT NULL AND owner IS DISTINCT FROM former_owner THEN
            INSERT INTO callgate.entitlement_history
                (organization_id, kind, key, value, before, undoes)
            VALUES (owner, TG_TABLE_NAME, found ->> name, found, NULL, true);
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER organizations_history AFTER INSERT OR UPDATE ON callgate.organizations
        FOR EACH ROW EXECUTE FUNCTION callgate.record_organization()
    """,
    """
    CREATE TRIGGER phone_numbers_history AFTER INSERT OR UPDATE OR DELETE ON callgate.phone_numbers
        FOR EACH ROW EXECUTE FUNCTION callgate.record_line()
    """,
    """
    CREATE TRIGGER assistants_history AFTER INSERT OR UPDATE OR DELETE ON callgate.assistants
        FOR EACH ROW EXECUTE FUNCTION callgate.record_line()
    """,
    # When a decision from the beginning of a call took the place of a later one: replicas read these.
    "ALTER TABLE callgate.calls ADD COLUMN corrected_at timestamptz",
)

FORMER_FUNCTION = """
    CREATE OR REPLACE FUNCTION callgate.record_entitlement() RETURNS trigger LANGUAGE plpgsql AS $$
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
"""

UNDONE = (
    "ALTER TABLE callgate.calls DROP COLUMN corrected_at",
    "DROP TRIGGER assistants_history ON callgate.assistants",
    "DROP TRIGGER phone_numbers_history ON callgate.phone_numbers",
    "DROP TRIGGER organizations_history ON callgate.organizations",
    "DROP FUNCTION callgate.record_line()",
    "DROP FUNCTION callgate.record_organization()",
    "DROP FUNCTION callgate.decides(callgate.assistants)",
    "DROP FUNCTION callgate.decides(callgate.phone_numbers)",
    "DROP FUNCTION callgate.decides(callgate.organizations)",
    FORMER_FUNCTION,
    """
    DELETE FROM callgate.entitlement_history
    WHERE kind NOT IN ('plans', 'trials', 'overrides')
    """,
    """
    ALTER TABLE callgate.entitlement_history
        DROP CONSTRAINT entitlement_history_kind_check, DROP COLUMN undoes, DROP COLUMN before,
        DROP COLUMN key
    """,
    """
    ALTER TABLE callgate.entitlement_history ADD CONSTRAINT entitlement_history_kind_check
        CHECK (kind IN ('plans', 'trials', 'overrides'))
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in UNDONE:
        op.execute(statement)
