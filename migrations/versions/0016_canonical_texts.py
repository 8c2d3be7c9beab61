"""Ids and names of earlier versions in the form in which they are compared now.

UUIDs of Vapi become small letters. One in capitals never matched a call, so where both forms are
registered the one in capitals is dropped. Names become composed (NFC), with plain single spaces.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

UUID = "'^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$'"
SPACES = r"'[\s\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u2800\u3000\u3164\uffa0\u115f\u1160]+'"

IDS = (("phone_numbers", "vapi_phone_number_id"), ("assistants", "vapi_assistant_id"))
NAMES = (("organizations", "name"), ("organizations", "external_id"), ("phone_numbers", "label"))


def lower_ids(table: str, column: str) -> tuple[str, ...]:
    """Drop the twins in capitals, then lower the rest."""
    capitals = f"{column} ~ {UUID} AND {column} <> lower({column})"
    return (
        f"""
        DELETE FROM callgate.{table} AS twin WHERE {capitals}
            AND EXISTS (SELECT FROM callgate.{table} AS other
                WHERE lower(other.{column}) = lower(twin.{column}) AND other.ctid <> twin.ctid
                    AND (other.{column} = lower(twin.{column}) OR other.ctid < twin.ctid))
        """,  # noqa: S608 - constants
        f"UPDATE callgate.{table} SET {column} = lower({column}) WHERE {capitals}",  # noqa: S608
    )


def compose(table: str, column: str) -> str:
    """Rewrite names that are not in the stored form, unless another row has the form already."""
    form = f"btrim(normalize(regexp_replace(named.{column}, {SPACES}, ' ', 'g'), NFC))"
    taken = f"EXISTS (SELECT FROM callgate.{table} AS other WHERE other.{column} = {form})"
    free = f" AND NOT {taken}" if column == "external_id" else ""
    return (
        f"UPDATE callgate.{table} AS named SET {column} = {form} "  # noqa: S608
        f"WHERE named.{column} <> {form} AND {form} <> ''{free}"
    )


def upgrade() -> None:
    for table, column in IDS:
        for statement in lower_ids(table, column):
            op.execute(statement)
    # PostgreSQL normalizes texts in UTF-8 only.
    encoding = op.get_bind().exec_driver_sql("SELECT getdatabaseencoding()").scalar()
    if encoding == "UTF8":
        for table, column in NAMES:
            op.execute(compose(table, column))


def downgrade() -> None:
    """Nothing: the former spelling of the texts is not kept, and earlier versions read the new one."""
