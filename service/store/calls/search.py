"""Reads `callgate.calls` for the API and the panel; never returns a control URL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from service.domain.calls import Call, Hangup, HangupState
from service.domain.decisions import decider_of
from service.store.calls.decisions import DECIDED_BY, load_decision
from service.store.calls.search_terms import SearchMatch, resolve_search
from service.store.calls.unanswered import IS_UNANSWERED
from service.store.pool import Pool

MOST_LOOKED_AT = 10_000
"""The most calls that a page scans along its index; the page says how far it came."""

COLUMNS = """
SELECT id, vapi_call_id, organization_id, phone_number_id, type, status, blocked, reason, gate,
    decision, hangup_state, hangup_attempts, started_at, ended_at, ended_reason,
    duration_seconds, cost, lived_seconds, cut_at, cut_reason, missed, created_at
FROM callgate.calls
"""

FIND = COLUMNS + "WHERE id = $1"

FIND_BY_VAPI_ID = COLUMNS + "WHERE vapi_call_id = $1"

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
NOT_ANSWERED = COLUMNS + f"WHERE $6::text IS NULL AND {IS_UNANSWERED} AND " + PLACE
LIVE = COLUMNS + f"WHERE $6::text IS NULL AND {IS_LIVE} AND " + PLACE
IS_CLAIMED = """EXISTS (SELECT FROM callgate.call_claims claim
        WHERE claim.vapi_call_id = looked.vapi_call_id AND claim.created_at >= $16)"""
RECENTLY_CLAIMED = """WHERE vapi_call_id IN (
    SELECT vapi_call_id FROM callgate.call_claims WHERE created_at >= $6) AND """
CLAIMED = COLUMNS + RECENTLY_CLAIMED + PLACE
AT_GATE = COLUMNS + "WHERE gate = $6 AND " + PLACE
UNREGISTERED = COLUMNS + "WHERE vapi_phone_number_id = $6 AND phone_number_id IS NULL AND " + PLACE
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
    AND ($16::timestamptz IS NULL OR {IS_CLAIMED})
ORDER BY created_at DESC, id DESC LIMIT $17"""
LOOKED = "SELECT * FROM ("
COUNT_LOOKED = "SELECT count(*) FROM ("
FARTHEST = "SELECT created_at, id FROM ("
LAST = ") looked OFFSET $5 - 1"

NAMES = """
SELECT c.id, o.name AS organization_name, n.number, n.label AS number_label
FROM callgate.calls c
LEFT JOIN callgate.organizations o ON o.id = c.organization_id
LEFT JOIN callgate.phone_numbers n ON n.id = c.phone_number_id
WHERE c.id = ANY($1::uuid[])
"""


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Filters on calls; None matches all. `since` and `until` compare when a call was recorded; `live`:
    under way, or over. `policy`: its verdict decided, see `decider_of`. `claimed_since`: messages since
    then named another organization, too."""

    organization_id: UUID | None = None
    phone_number_id: UUID | None = None
    blocked: bool | None = None
    reason: str | None = None
    gate: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    live: bool | None = None
    unanswered: bool | None = None
    policy: str | None = None
    hangup: str | None = None
    claimed_since: datetime | None = None

    @property
    def others(self) -> tuple[object, ...]:
        """The parameters of `OTHERS`."""
        return (
            self.organization_id,
            self.phone_number_id,
            self.blocked,
            self.reason,
            self.gate,
            self.live,
            self.unanswered,
            self.policy,
            self.hangup,
            self.claimed_since,
        )

    def matches(self, call: Call) -> bool:
        """Whether a call passes the filters; `since`, `until` and `claimed_since` are ignored."""
        wanted = (
            (self.organization_id, call.organization_id),
            (self.phone_number_id, call.phone_number_id),
            (self.blocked, call.blocked),
            (self.reason, call.reason),
            (self.gate, call.gate),
            (self.live, call.is_live(datetime.now(UTC))),
            (self.unanswered, call.is_unanswered),
            (self.policy, decider_of(call.decision)),
            (self.hangup, call.hangup and call.hangup.state.value),
        )
        return all(asked is None or asked == has for asked, has in wanted)


Place = tuple[datetime, UUID]
"""Where a page ends: the instant and the id of a call."""


@dataclass(frozen=True, slots=True)
class CallPage:
    """Calls, newest first; `next` is where the next page starts, None at the end.

    A page may hold fewer calls than the limit, even none, and still not be the last.
    """

    calls: Sequence[Call]
    next: Place | None


@dataclass(frozen=True, slots=True)
class CallNames:
    """The names of a call's organization and number."""

    organization_name: str | None = None
    number: str | None = None
    number_label: str | None = None


def call_of(row: Any) -> Call:
    """A call from a row of `COLUMNS`."""
    hangup = None
    if row["hangup_state"] is not None:
        hangup = Hangup(HangupState(row["hangup_state"]), row["hangup_attempts"])
    return Call(
        id=row["id"],
        vapi_call_id=row["vapi_call_id"],
        organization_id=row["organization_id"],
        phone_number_id=row["phone_number_id"],
        type=row["type"],
        status=row["status"],
        blocked=row["blocked"],
        reason=row["reason"],
        gate=row["gate"],
        decision=load_decision(row["decision"]),
        hangup=hangup,
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        ended_reason=row["ended_reason"],
        duration_seconds=row["duration_seconds"],
        cost=row["cost"],
        created_at=row["created_at"],
        lived_seconds=row["lived_seconds"],
        cut_at=row["cut_at"],
        cut_reason=row["cut_reason"],
        missed=row["missed"],
    )


async def find(pool: Pool, call_id: UUID) -> Call | None:
    row = await pool.fetchrow(FIND, call_id)
    return None if row is None else call_of(row)


async def find_by_vapi_id(pool: Pool, vapi_call_id: str) -> Call | None:
    row = await pool.fetchrow(FIND_BY_VAPI_ID, vapi_call_id)
    return None if row is None else call_of(row)


async def find_names(pool: Pool, call_ids: Sequence[UUID]) -> dict[UUID, CallNames]:
    """The names of organizations and numbers of calls, by the calls' ids."""
    rows = await pool.fetch(NAMES, list(call_ids))
    return {
        row["id"]: CallNames(row["organization_name"], row["number"], row["number_label"])
        for row in rows
    }


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


async def find_page(
    pool: Pool,
    wanted: CallFilter,
    *,
    search: str | None = None,
    after: Place | None = None,
    limit: int,
    most_looked_at: int = MOST_LOOKED_AT,
) -> CallPage:
    """Calls, newest first. `search` is an exact id or number of a call, a number or an organization."""
    statement, lead = choose_statement(wanted)
    if search is not None:
        named = await resolve_search(pool, search)
        if named is None:
            return CallPage((), None)
        if named.kind == "call":
            return await page_of_one(pool, wanted, named.ids[0], after)
        statement, lead = statement_of(named, search)
    place = (*(after or (None, None)), wanted.since, wanted.until, most_looked_at, lead)
    others = wanted.others
    rows = await pool.fetch(LOOKED + statement + OTHERS, *place, *others, limit + 1)
    calls = [call_of(row) for row in rows[:limit]]
    last = rows[limit - 1] if len(rows) > limit else None
    if last is None and any(one is not None for one in others):
        # Fewer than the limit: there are no more, or the scan has reached its bound.
        last = await pool.fetchrow(FARTHEST + statement + LAST, *place)
    return CallPage(calls, None if last is None else (last["created_at"], last["id"]))


def statement_of(named: SearchMatch, search: str) -> tuple[str, object]:
    """The statement for the calls of what a search names, and its leading value."""
    if named.kind == "organization":
        return OF_ORGANIZATION, named.ids[0]
    if named.kind == "number":
        return OF_NUMBERS, list(named.ids)
    return UNREGISTERED, search.strip()


async def count_calls(pool: Pool, wanted: CallFilter) -> int | None:
    """How many calls match; None if more calls than `MOST_LOOKED_AT` would have to be looked at."""
    statement, lead = choose_statement(wanted)
    place = (None, None, wanted.since, wanted.until, MOST_LOOKED_AT + 1, lead)
    looked: int = await pool.fetchval(COUNT_LOOKED + statement + ") looked", *place)
    if looked > MOST_LOOKED_AT:
        return None
    counted = COUNT_LOOKED + LOOKED + statement + OTHERS + ") found"
    found: int = await pool.fetchval(counted, *place, *wanted.others, MOST_LOOKED_AT)
    return found


async def list_page(
    pool: Pool,
    *,
    vapi_call_id: str | None = None,
    organization_id: UUID | None = None,
    blocked: bool | None = None,
    after: Place | None = None,
    limit: int,
) -> list[tuple[Call, datetime | None]]:
    """Calls of an organization, newest first, each with the instant that it began."""
    if vapi_call_id is not None:
        found = await find_by_vapi_id(pool, vapi_call_id)
        return [] if found is None else [(found, found.started_at)]
    wanted = CallFilter(organization_id=organization_id, blocked=blocked)
    page = await find_page(pool, wanted, after=after, limit=limit)
    return [(call, call.started_at) for call in page.calls]


async def page_of_one(
    pool: Pool, wanted: CallFilter, call_id: UUID, after: Place | None
) -> CallPage:
    """The one call with this id, if it passes the filters."""
    call = None if after is not None else await find(pool, call_id)
    return CallPage([call] if call is not None and wanted.matches(call) else (), None)
