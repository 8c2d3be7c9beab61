"""What a text has for letters side by side, by which lists are searched along an index.

PostgreSQL's own module for this, pg_trgm, is not part of the embedded server, and finds no text of two
letters.
"""

from alembic import op

revision = "0043"
down_revision = "0042b"
branch_labels = None
depends_on = None

# As ILIKE compares: in small letters. Null where there is no pair, so that nothing is found by it.
LETTER_PAIRS = """
CREATE FUNCTION callgate.letter_pairs(VARIADIC texts text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_agg(DISTINCT substr(small, at, 2))
    FROM (SELECT lower(one) AS small FROM unnest(texts) AS one) AS lowered,
        generate_series(1, length(small) - 1) AS at
$$
"""


def upgrade() -> None:
    op.execute(LETTER_PAIRS)


def downgrade() -> None:
    op.execute("DROP FUNCTION callgate.letter_pairs(text[])")
