"""What a search text names: a call, a number or an organization exactly, a caller by the last digits, or
organizations and numbers by a part of their names.

Who sees callers' numbers masked finds them by what the mask shows, or by the whole number: a search by
more last digits would tell the hidden ones, one after another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from policies.host.ids import find_uuid, parse_id_query
from policies.host.phone_numbers import search_digits
from service.domain.call_records.details import LEAST_HIDDEN, SHOWN_AFTER, SHOWN_BEFORE
from service.inputs.names import parse_query
from service.store.patterns import pattern_of
from service.store.pool import Pool

FEWEST_LETTERS = 2
MOST_NUMBERS = 20
MOST_NAMED = 10
"""Organizations, and numbers, whose names contain a text: the calls of each are read along an index."""

# What a text may name exactly: a call, a number or an organization, by our id, Vapi's or its own.
RESOLVE = """
SELECT 'call' AS kind, id FROM callgate.calls WHERE vapi_call_id = $1
UNION ALL SELECT 'call', id FROM callgate.calls WHERE id = $2
UNION ALL (SELECT 'number', id FROM callgate.phone_numbers
    WHERE vapi_phone_number_id = $1 OR id = $2 OR number = $3
    ORDER BY released_at IS NULL DESC, created_at DESC LIMIT $4)
UNION ALL SELECT 'organization', id FROM callgate.organizations
    WHERE id = $2 OR external_id = $1
UNION ALL SELECT 'unregistered', id FROM (SELECT id FROM callgate.calls
    WHERE vapi_phone_number_id = $1 AND phone_number_id IS NULL LIMIT 1) AS strangers
"""

ENDS_SO = "right(customer_number, 4) = right({0}::text, 4) AND "
IS_CALLER: Mapping[str, str] = {
    "caller": ENDS_SO + "right(customer_number, length({0}::text)) = {0}::text",
    # As `mask_number` shows the last digits.
    "masked_caller": f"{ENDS_SO}customer_number ~ '^[+]?[0-9]+$' "
    f"AND length(customer_number) >= {SHOWN_BEFORE + LEAST_HIDDEN + SHOWN_AFTER}",
    "whole_caller": ENDS_SO + "customer_number IN ({0}::text, '+' || {0}::text)",
}
"""Whether a call's caller is the one of these digits, a statement's parameter, by the kind of match."""

# Along the indexes of their letters; the whole name comes first, and of thousands of others any.
NAMED = """
(SELECT id FROM (
        (SELECT id, name FROM callgate.organizations WHERE lower(name) = lower($2) LIMIT $3)
        UNION (SELECT id, name FROM callgate.organizations
            WHERE callgate.letter_pairs(name, external_id) @> (SELECT callgate.letter_pairs($2::text))
                AND name ILIKE $1 LIMIT 1000)) AS organizations
    ORDER BY lower(name) = lower($2) DESC, lower(name), id LIMIT $3)
UNION ALL
(SELECT id FROM (
        (SELECT id, label FROM callgate.phone_numbers WHERE label IS NOT NULL
            AND lower(coalesce(label, number, vapi_phone_number_id)) COLLATE "C" = lower($2) LIMIT $3)
        UNION (SELECT id, label FROM callgate.phone_numbers
            WHERE callgate.letter_pairs(label, number, vapi_phone_number_id)
                    @> (SELECT callgate.letter_pairs($2::text))
                AND label ILIKE $1 LIMIT 1000)) AS numbers
    ORDER BY lower(label) = lower($2) DESC, lower(label), id LIMIT $3)
"""


@dataclass(frozen=True, slots=True)
class SearchMatch:
    """What a search text names: the kind and the ids; `digits` are the last ones of callers."""

    kind: str
    ids: Sequence[UUID] = ()
    digits: str = ""


async def resolve_search(pool: Pool, search: str, *, whole: bool) -> SearchMatch | None:
    """What a text names: a call before a number before an organization, then what names them in part:
    a caller before organizations and numbers; None if nothing.

    `whole`: for one who sees the whole numbers of callers, whom any last digits name, at least four.
    For others they are exactly those that the mask shows; more digits are a whole number.
    """
    text = parse_id_query(search)
    digits = search_digits(search)
    number = None if digits is None else f"+{digits}"
    rows = await pool.fetch(RESOLVE, text, find_uuid(text), number, MOST_NUMBERS)
    for kind in ("call", "number", "organization", "unregistered"):
        ids = [row["id"] for row in rows if row["kind"] == kind]
        if ids:
            return SearchMatch(kind, ids)
    if digits is not None and (caller := await find_caller(pool, digits, whole=whole)):
        return caller
    name = parse_query(search)
    if len(name) < FEWEST_LETTERS:
        return None
    named = await pool.fetch(NAMED, pattern_of(name), name, MOST_NAMED)
    return SearchMatch("named", [row["id"] for row in named]) if named else None


async def find_caller(pool: Pool, digits: str, *, whole: bool) -> SearchMatch | None:
    """The callers that digits name, if there is a call of one."""
    masked = "masked_caller" if len(digits) == SHOWN_AFTER else "whole_caller"
    kind = "caller" if whole else masked
    condition = IS_CALLER[kind].format("$1")
    has_calls = f"SELECT EXISTS (SELECT FROM callgate.calls WHERE {condition})"  # noqa: S608 - constants
    return SearchMatch(kind, digits=digits) if await pool.fetchval(has_calls, digits) else None
