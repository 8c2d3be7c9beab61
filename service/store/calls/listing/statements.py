"""The statements that list calls: one a leading filter, each along its own index."""

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
CROSS JOIN LATERAL (({COLUMNS} WHERE organization_id = n.named_id AND {PLACE})
    UNION ALL ({COLUMNS} WHERE phone_number_id = n.named_id AND {PLACE})) c
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


def choose_statement(wanted: CallFilter) -> tuple[str, object]:
    """The statement whose index narrows these filters best, and its leading value."""
    if wanted.phone_number_id is not None:
        return OF_NUMBER, wanted.phone_number_id
    if wanted.organization_id is not None:
        statement = BLOCKED_OF_ORGANIZATION if wanted.blocked else OF_ORGANIZATION
        return statement, wanted.organization_id
    if wanted.reason is not None:
        return FOR_REASON, wanted.reason
    if wanted.gate is not None:
        return AT_GATE, wanted.gate
    if wanted.claimed_since is not None:
        return CLAIMED, wanted.claimed_since
    if wanted.unanswered:
        return NOT_ANSWERED, None
    if wanted.live:
        return LIVE, None
    return (BLOCKED if wanted.blocked else ANY), None


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
