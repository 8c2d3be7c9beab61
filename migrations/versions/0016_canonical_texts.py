"""Ids and names of earlier versions in the form in which they are compared now.

UUIDs of Vapi become small letters. One in capitals never matched a call, so where both forms are
registered the one in capitals is dropped, unless the other one was released. Names become composed (NFC),
with plain single spaces.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

UUID = "'^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$'"
SPACES = r"'[\s\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u2800\u3000\u3164\uffa0\u115f\u1160]+'"

IDS = (
    ("phone_numbers", "vapi_phone_number_id", "released_at IS NULL"),
    ("assistants", "vapi_assistant_id", "true"),
)
NAMES = (("organizations", "name"), ("organizations", "external_id"), ("phone_numbers", "label"))


def lower_ids(table: str, column: str, kept: str) -> tuple[str, ...]:
    """Drop all but one row of each id, then lower what is left. Rows that are `kept` are dropped last,
    then the one in small letters."""
    capitals = f"{column} ~ {UUID} AND {column} <> lower({column})"
    return (
        f"""
        DELETE FROM callgate.{table} WHERE ctid IN (
            SELECT ctid FROM (
                SELECT ctid, row_number() OVER (PARTITION BY lower({column})
                    ORDER BY {kept} DESC, {column} = lower({column}) DESC, ctid) AS place
                FROM callgate.{table} WHERE {column} ~ {UUID}) AS twins
            WHERE place > 1)
        """,  # noqa: S608 - constants
        f"UPDATE callgate.{table} SET {column} = lower({column}) WHERE {capitals}",  # noqa: S608
    )


def form_of(alias: str, column: str) -> str:
    """The stored form of a row's name."""
    return f"btrim(normalize(regexp_replace({alias}.{column}, {SPACES}, ' ', 'g'), NFC))"


def compose(table: str, column: str) -> str:
    """Rewrite names that are not in the stored form.

    An id that is unique stays as it is where another row has the form already, or an earlier row gets it.
    """
    form = form_of("named", column)
    free = f"""
        AND NOT EXISTS (SELECT FROM callgate.{table} AS other WHERE other.{column} = {form})
        AND NOT EXISTS (SELECT FROM callgate.{table} AS other
            WHERE {form_of("other", column)} = {form} AND other.ctid < named.ctid)
    """  # noqa: S608 - constants
    return (
        f"UPDATE callgate.{table} AS named SET {column} = {form} "  # noqa: S608
        f"WHERE named.{column} <> {form} AND {form} <> ''{free if column == 'external_id' else ''}"
    )


def upgrade() -> None:
    for table, column, kept in IDS:
        for statement in lower_ids(table, column, kept):
            op.execute(statement)
    # PostgreSQL normalizes texts in UTF-8 only.
    encoding = op.get_bind().exec_driver_sql("SELECT getdatabaseencoding()").scalar()
    if encoding == "UTF8":
        for table, column in NAMES:
            op.execute(compose(table, column))


def downgrade() -> None:
    """Nothing: the former spelling of the texts is not kept, and earlier versions read the new one."""
