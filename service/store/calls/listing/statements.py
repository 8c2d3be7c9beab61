"""The statements that list calls: one a leading filter, each along its own index."""

from typing import NamedTuple

from service.store.calls.decisions import DECIDED_BY, IS_DIVERTED
from service.store.calls.listing.filters import CallFilter
from service.store.calls.listing.rows import COLUMNS
from service.store.calls.listing.search_terms import IS_CALLER, SearchMatch
from service.store.calls.unanswered import IS_UNANSWERED

# One statement a leading filter, each along its own index; the other filters apply to its rows. Any
# combination therefore scans at most `MOST_LOOKED_AT` rows.
PLACE = """(created_at, id) < (coalesce($1::timestamptz, 'infinity'),
    coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    AND created_at >= coalesce($3::timestamptz, '-infinity')
    AND created_at < coalesce($4::timestamptz, 'infinity')
ORDER BY created_at DESC, id DESC LIMIT $5"""
IN_ORDER = "ORDER BY created_at DESC, id DESC LIMIT $5"
ANY = COLUMNS + "WHERE $6::text IS NULL AND " + PLACE
BLOCKED = COLUMNS + "WHERE $6::text IS NULL AND blocked AND " + PLACE
OF_NUMBER = COLUMNS + "WHERE phone_number_id = $6 AND " + PLACE
OF_ORGANIZATION = COLUMNS + "WHERE organization_id = $6 AND " + PLACE
BLOCKED_OF_ORGANIZATION = COLUMNS + "WHERE organization_id = $6 AND blocked AND " + PLACE
FOR_REASON = COLUMNS + "WHERE reason = $6 AND " + PLACE
# A call whose end was never reported counts as under way for one day at most, as in `Call.is_live`.
IS_LIVE = "status = 'in-progress' AND ended_at IS NULL AND created_at > now() - interval '1 day'"
# As `Call.is_refused` says it.
IS_REFUSED = f"(blocked AND NOT {IS_DIVERTED} AND (gate <> 'event' OR connected IS FALSE))"
NOT_ANSWERED = COLUMNS + f"WHERE $6::text IS NULL AND {IS_UNANSWERED} AND " + PLACE
LIVE = COLUMNS + f"WHERE $6::text IS NULL AND {IS_LIVE} AND " + PLACE
IS_CLAIMED = """EXISTS (SELECT FROM callgate.call_claims claim
        WHERE claim.vapi_call_id = looked.vapi_call_id AND claim.created_at >= $16)"""
RECENTLY_CLAIMED = """WHERE vapi_call_id IN (
    SELECT vapi_call_id FROM callgate.call_claims WHERE created_at >= $6) AND """
CLAIMED = COLUMNS + RECENTLY_CLAIMED + PLACE
AT_GATE = COLUMNS + "WHERE gate = $6 AND " + PLACE
UNREGISTERED = COLUMNS + "WHERE vapi_phone_number_id = $6 AND phone_number_id IS NULL AND " + PLACE
OF_CALLER = {
    kind: COLUMNS + "WHERE " + condition.format("$6") + " AND " + PLACE
    for kind, condition in IS_CALLER.items()
}
OF_NAMED = f"""
SELECT DISTINCT ON (created_at, id) c.* FROM unnest($6::uuid[]) AS n (named_id)
CROSS JOIN LATERAL (SELECT EXISTS (
    SELECT FROM callgate.organizations WHERE id = n.named_id) AS is_owner) AS kind
CROSS JOIN LATERAL (({COLUMNS} WHERE kind.is_owner AND organization_id = n.named_id AND {PLACE})
    UNION ALL ({COLUMNS} WHERE NOT kind.is_owner AND phone_number_id = n.named_id AND {PLACE})) c
ORDER BY created_at DESC, id DESC LIMIT $5
"""  # noqa: S608 - constants
EACH_NUMBER = "SELECT c.* FROM unnest($6::uuid[]) AS n (number_id) CROSS JOIN LATERAL ("
ITS_CALLS = COLUMNS + "WHERE phone_number_id = n.number_id AND " + PLACE
OF_NUMBERS = EACH_NUMBER + ITS_CALLS + ") c ORDER BY created_at DESC, id DESC LIMIT $5"
OTHERS = f""") looked
WHERE ($7::uuid IS NULL OR organization_id = $7) AND ($8::uuid IS NULL OR phone_number_id = $8)
    AND ($9::boolean IS NULL OR blocked = $9) AND ($10::text IS NULL OR reason = $10)
    AND ($11::text IS NULL OR gate = $11) AND ($12::boolean IS NULL OR $12 = ({IS_LIVE}))
    AND ($13::boolean IS NULL OR $13 = coalesce({IS_UNANSWERED}, false))
    AND ($14::text IS NULL OR $14 = {DECIDED_BY})
    AND ($15::text IS NULL OR hangup_state = $15)
    AND ($16::timestamptz IS NULL OR {IS_CLAIMED}) AND ($17::text IS NULL OR type = $17)
    AND ($18::boolean IS NULL OR $18 = {IS_REFUSED})
    AND ($19::boolean IS NULL OR $19 = {IS_DIVERTED})
ORDER BY created_at DESC, id DESC LIMIT $20"""
LOOKED = "SELECT * FROM ("
COUNT_LOOKED = "SELECT count(*) FROM ("
FARTHEST = "SELECT created_at, id FROM ("
LAST = ") looked OFFSET $5 - 1"


def unordered(statement: str) -> str:
    """The same rows for a count: in no order PostgreSQL need not fetch and sort them."""
    return statement.replace(IN_ORDER, "LIMIT $5")


class Chosen(NamedTuple):
    """A statement and its leading value. `covers`: the filters that it applies, besides the period."""

    statement: str
    lead: object
    covers: CallFilter


def choose_statement(wanted: CallFilter) -> Chosen:
    """The statement whose index narrows these filters best."""
    if (number := wanted.phone_number_id) is not None:
        return Chosen(OF_NUMBER, number, CallFilter(phone_number_id=number))
    if (owner := wanted.organization_id) is not None:
        if wanted.blocked:
            covers = CallFilter(organization_id=owner, blocked=True)
            return Chosen(BLOCKED_OF_ORGANIZATION, owner, covers)
        return Chosen(OF_ORGANIZATION, owner, CallFilter(organization_id=owner))
    if wanted.reason is not None:
        return Chosen(FOR_REASON, wanted.reason, CallFilter(reason=wanted.reason))
    if wanted.gate is not None:
        return Chosen(AT_GATE, wanted.gate, CallFilter(gate=wanted.gate))
    if (claimed := wanted.claimed_since) is not None:
        return Chosen(CLAIMED, claimed, CallFilter(claimed_since=claimed))
    if wanted.unanswered:
        return Chosen(NOT_ANSWERED, None, CallFilter(unanswered=True))
    if wanted.live:
        return Chosen(LIVE, None, CallFilter(live=True))
    if wanted.blocked:
        return Chosen(BLOCKED, None, CallFilter(blocked=True))
    return Chosen(ANY, None, CallFilter())


def statement_of(named: SearchMatch, search: str) -> tuple[str, object]:
    """The statement for the calls of what a search names, and its leading value."""
    if named.kind == "organization":
        return OF_ORGANIZATION, named.ids[0]
    if named.kind == "number":
        return OF_NUMBERS, list(named.ids)
    if named.kind in OF_CALLER:
        return OF_CALLER[named.kind], named.digits
    if named.kind == "named":
        return OF_NAMED, list(named.ids)
    return UNREGISTERED, search.strip()
