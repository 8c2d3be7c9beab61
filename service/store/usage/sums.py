"""Sums of usage in any periods: whole days and hours, the differences not folded yet, single calls.

A period is split by `domain.usage.periods`, and each statement reads one snapshot: a difference that is
being folded meanwhile counts once.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain.usage.periods import Period, Pieces, split
from service.domain.usage.sums import NOTHING, UsageSums
from service.store.pool import Connection, Pool

# Pieces of each kind as four arrays: the place of the period, its organization, since and until. Each
# piece is summed up apart, below LATERAL, so that it reads its part of an index whatever PostgreSQL
# estimates.
SUM = """
SELECT place, sum(calls)::bigint AS calls, sum(blocked_calls)::bigint AS blocked_calls,
    sum(seconds) AS seconds, sum(cost) AS cost
FROM (
    SELECT p.place, s.* FROM unnest($1::int[], $2::uuid[], $3::timestamptz[], $4::timestamptz[])
        AS p (place, organization_id, since, until)
    CROSS JOIN LATERAL (
        SELECT sum(calls) AS calls, sum(blocked_calls) AS blocked_calls, sum(seconds) AS seconds,
            sum(cost) AS cost
        FROM callgate.usage_days u WHERE u.organization_id = p.organization_id
            AND u.day >= p.since AND u.day < p.until) AS s
    UNION ALL
    SELECT p.place, s.* FROM unnest($5::int[], $6::uuid[], $7::timestamptz[], $8::timestamptz[])
        AS p (place, organization_id, since, until)
    CROSS JOIN LATERAL (
        SELECT sum(calls) AS calls, sum(blocked_calls) AS blocked_calls, sum(seconds) AS seconds,
            sum(cost) AS cost
        FROM callgate.usage_hours u WHERE u.organization_id = p.organization_id
            AND u.hour >= p.since AND u.hour < p.until) AS s
    UNION ALL
    SELECT p.place, u.calls, u.blocked_calls, u.seconds, u.cost
    FROM unnest($9::int[], $10::uuid[], $11::timestamptz[], $12::timestamptz[])
        AS p (place, organization_id, since, until)
    JOIN callgate.usage_deltas u ON u.organization_id = p.organization_id
        AND u.hour >= p.since AND u.hour < p.until
    UNION ALL
    SELECT p.place, s.* FROM unnest($13::int[], $14::uuid[], $15::timestamptz[], $16::timestamptz[])
        AS p (place, organization_id, since, until)
    CROSS JOIN LATERAL (
        SELECT sum(calls) AS calls, sum(blocked_calls) AS blocked_calls, sum(seconds) AS seconds,
            sum(cost) AS cost
        FROM callgate.call_usage u WHERE u.organization_id = p.organization_id
            AND u.began_at >= p.since AND u.began_at < p.until) AS s
) AS parts
WHERE calls IS NOT NULL GROUP BY place
"""

# `failed` is the status of blocked calls. A call whose end was never reported counts for a day.
LIVE = """
SELECT organization_id, count(*) AS calls FROM callgate.calls
WHERE status = 'in-progress' AND ended_at IS NULL AND created_at > now() - interval '1 day'
    AND organization_id IS NOT NULL AND ($1::uuid[] IS NULL OR organization_id = ANY($1))
GROUP BY organization_id
"""

Wanted = tuple[UUID, Period]
Arrays = tuple[list[int], list[UUID], list[datetime], list[datetime]]


async def sum_periods(database: Pool | Connection, wanted: Sequence[Wanted]) -> list[UsageSums]:
    """The sums of organizations in periods, in the order of `wanted`."""
    rows = await database.fetch(SUM, *(array for kind in arrays_of(wanted) for array in kind))
    found = {row["place"]: sums_of(row) for row in rows}
    return [found.get(place, NOTHING) for place in range(len(wanted))]


async def count_live(
    database: Pool | Connection, organization_ids: Iterable[UUID] | None = None
) -> dict[UUID, int]:
    """Granted calls under way now, by organization; None: of all."""
    ids = None if organization_ids is None else list(organization_ids)
    rows = await database.fetch(LIVE, ids)
    return {row["organization_id"]: row["calls"] for row in rows}


def arrays_of(wanted: Sequence[Wanted]) -> tuple[Arrays, Arrays, Arrays, Arrays]:
    """The pieces of all periods by kind, as the statement takes them. Equal periods are split once."""
    pieces: dict[Period, Pieces] = {}
    kinds: tuple[Arrays, Arrays, Arrays, Arrays] = (
        ([], [], [], []),
        ([], [], [], []),
        ([], [], [], []),
        ([], [], [], []),
    )
    for place, (organization_id, period) in enumerate(wanted):
        split_up = pieces.get(period) or pieces.setdefault(period, split(period))
        whole = () if split_up.whole is None else (split_up.whole,)
        parts = (split_up.days, split_up.hours, whole, split_up.calls)
        for kind, periods in zip(kinds, parts, strict=True):
            for piece in periods:
                kind[0].append(place)
                kind[1].append(organization_id)
                kind[2].append(piece.since)
                kind[3].append(piece.until)
    return kinds


def sums_of(row: Any) -> UsageSums:
    """The sums of a row that has their columns."""
    return UsageSums(row["calls"], row["blocked_calls"], row["seconds"], row["cost"])
