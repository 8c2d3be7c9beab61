"""Which phone numbers a search text finds: by a part of the number, the label, the id at Vapi, or of the
organization's name. $1 is the pattern of the text and $2 the text itself, $3 and $4 those of its digits.

Few numbers are found along an index of their letters, and then sorted. Many are found sooner by going
through the list in its order.
"""

from typing import Literal

Reach = Literal["all", "few", "many"]
"""How many numbers a search finds; `all`: there is no search."""

MOST_SORTED = 10_000
"""How many found numbers are few; how far many are counted."""

FEWEST_LETTERS = 2

NO_QUERY = "num_nonnulls($1::text, $2::text, $3::text, $4::text) = 0"

MATCHES = """($2::text IS NOT NULL OR $4::text IS NOT NULL)
    AND (n.number ILIKE $1 OR n.label ILIKE $1 OR n.vapi_phone_number_id ILIKE $1
        OR n.number LIKE $3 OR o.name ILIKE $1)"""

PAIRS = "callgate.letter_pairs(m.label, m.number, m.vapi_phone_number_id)"

# Each part ends at the limit, so that one that finds most numbers is not read to its end. Without the
# subselects PostgreSQL knows letters that most numbers have, and computes those of each number instead.
MATCHED = f"""
matched AS MATERIALIZED (
    (SELECT m.id FROM callgate.phone_numbers m WHERE {PAIRS} @> (SELECT callgate.letter_pairs($2::text))
        AND (m.number ILIKE $1 OR m.label ILIKE $1 OR m.vapi_phone_number_id ILIKE $1)
        LIMIT {MOST_SORTED + 1})
    UNION ALL (SELECT m.id FROM callgate.phone_numbers m
        WHERE {PAIRS} @> (SELECT callgate.letter_pairs($4::text)) AND m.number LIKE $3
        LIMIT {MOST_SORTED + 1})
    UNION ALL (SELECT m.id FROM callgate.organizations named
        JOIN callgate.phone_numbers m ON m.organization_id = named.id
        WHERE callgate.letter_pairs(named.name, named.external_id)
                @> (SELECT callgate.letter_pairs($2::text)) AND named.name ILIKE $1
        LIMIT {MOST_SORTED + 1})),
matches AS (SELECT count(*) > {MOST_SORTED} AS many FROM matched)
"""  # noqa: S608 - constants
"""`matched` are the ids of found numbers, one perhaps twice, and `matches` whether they are many."""

IS_MATCHED = "n.id IN (SELECT id FROM matched) AND NOT (SELECT many FROM matches)"


def reach_of(text: str | None) -> Reach:
    """How to search for a text: numbers that a single letter finds are taken for many."""
    if text is None:
        return "all"
    return "few" if len(text) >= FEWEST_LETTERS else "many"
