"""`callgate.shadow_verdicts`: what policies in shadow answered, and the report on them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from service.domain.calls import CallKey
from service.domain.policies.shadow import ShadowReport, ShadowVerdict
from service.store.pool import Pool

# The first answer about a call stands, whichever replica got it. An organization may be gone by now.
INSERT = """
INSERT INTO callgate.shadow_verdicts (policy, vapi_call_id, organization_id, effect, reason, decided,
    would, at, counted_as, duration_ms)
SELECT v.* FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[],
    $7::text[], $8::timestamptz[], $9::text[], $10::float8[]) AS v (policy, vapi_call_id,
    organization_id, effect, reason, decided, would, at, counted_as, duration_ms)
WHERE EXISTS (SELECT FROM callgate.organizations o WHERE o.id = v.organization_id)
ON CONFLICT DO NOTHING
"""

COLUMNS = """
SELECT policy, vapi_call_id, organization_id, effect, reason, decided, would, at, counted_as,
    duration_ms
FROM callgate.shadow_verdicts
"""

PERIOD = """policy = $1 AND at >= coalesce($2::timestamptz, '-infinity')
    AND at < coalesce($3::timestamptz, 'infinity')"""

# By organization first: counting distinct ones sorts every row.
REPORT = f"""
SELECT coalesce(sum(asked), 0)::bigint AS asked,
    coalesce(sum(blocked), 0)::bigint AS would_have_blocked,
    coalesce(sum(allowed), 0)::bigint AS would_have_allowed,
    count(*) FILTER (WHERE blocked > 0) AS organizations,
    coalesce(sum(failed), 0)::bigint AS failed
FROM (
    SELECT organization_id, count(*) AS asked,
        count(*) FILTER (WHERE decided = 'allow' AND would = 'deny') AS blocked,
        count(*) FILTER (WHERE decided = 'deny' AND would = 'allow') AS allowed,
        count(*) FILTER (WHERE effect = 'failed') AS failed
    FROM callgate.shadow_verdicts WHERE {PERIOD} GROUP BY organization_id) AS each
"""  # noqa: S608 - of constants

LIST = f"""
{COLUMNS} WHERE {PERIOD} AND decided <> would
    AND ($4::timestamptz IS NULL OR (at, vapi_call_id) < ($4, $5::text))
ORDER BY at DESC, vapi_call_id DESC LIMIT $6
"""

FIND = COLUMNS + "WHERE vapi_call_id = ANY($1::text[]) ORDER BY policy"

CALLS = "SELECT vapi_call_id, id FROM callgate.calls WHERE vapi_call_id = ANY($1::text[])"

ORGANIZATIONS = "SELECT id, name FROM callgate.organizations WHERE id = ANY($1::uuid[])"

EXISTS = "SELECT EXISTS (SELECT FROM callgate.shadow_verdicts WHERE policy = $1)"

Place = tuple[datetime, str]
"""The instant and the id at Vapi of the last call of a page."""


async def insert_verdicts(pool: Pool, verdicts: Sequence[ShadowVerdict]) -> None:
    """Write verdicts in one statement."""
    await pool.execute(
        INSERT,
        [one.policy for one in verdicts],
        [one.vapi_call_id for one in verdicts],
        [one.organization_id for one in verdicts],
        [one.effect for one in verdicts],
        [one.reason for one in verdicts],
        [one.decided for one in verdicts],
        [one.would for one in verdicts],
        [one.at for one in verdicts],
        [one.counted_as for one in verdicts],
        [one.duration_ms for one in verdicts],
    )


async def read_report(
    pool: Pool, policy: str, since: datetime | None, until: datetime | None
) -> ShadowReport:
    """What a policy would have done from `since` to before `until`."""
    row = await pool.fetchrow(REPORT, policy, since, until)
    return ShadowReport() if row is None else ShadowReport(**dict(row))


async def list_differing(
    pool: Pool,
    policy: str,
    since: datetime | None,
    until: datetime | None,
    *,
    after: Place | None,
    limit: int,
) -> list[ShadowVerdict]:
    """The verdicts by which calls would have been decided differently, the latest first."""
    place = after or (None, None)
    rows = await pool.fetch(LIST, policy, since, until, *place, limit)
    return [ShadowVerdict(**dict(row)) for row in rows]


async def find_of_calls(
    pool: Pool, vapi_call_ids: Sequence[str]
) -> dict[CallKey, list[ShadowVerdict]]:
    """The verdicts about these calls."""
    found: dict[CallKey, list[ShadowVerdict]] = {}
    for row in await pool.fetch(FIND, list(vapi_call_ids)):
        one = ShadowVerdict(**dict(row))
        found.setdefault((one.vapi_call_id, one.organization_id), []).append(one)
    return found


async def find_places(
    pool: Pool, verdicts: Sequence[ShadowVerdict]
) -> tuple[dict[str, UUID], dict[UUID, str]]:
    """The ids of the calls that are recorded, by the ids at Vapi; the names of the organizations."""
    calls = await pool.fetch(CALLS, [one.vapi_call_id for one in verdicts])
    owners = await pool.fetch(ORGANIZATIONS, list({one.organization_id for one in verdicts}))
    return (
        {row["vapi_call_id"]: row["id"] for row in calls},
        {row["id"]: row["name"] for row in owners},
    )


async def exist_of(pool: Pool, policy: str) -> bool:
    """Whether verdicts of a policy are kept."""
    return bool(await pool.fetchval(EXISTS, policy))
