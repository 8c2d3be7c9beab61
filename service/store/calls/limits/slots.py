"""The slots of limits on calls under way: a call's row names those that it holds (`slots`).

A slot is in use while the row says that the call goes on: whatever ends the call frees it, and an end
that is taken back takes it again. Calls that want one are counted under a lock on each organization and
name, in the transaction that inserts the rows of those that are let in. The others are recorded like any
denied call, so that the locks are held for a moment only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from service.domain.calls import CallKey, NewCall
from service.domain.policies.limits import LimitKey, let_in
from service.store.calls.decisions import ASKED_CALLS
from service.store.calls.records import insert_calls
from service.store.pool import Connection, Pool

# In one order for all, so that two transactions wait for each other instead of deadlocking.
LOCK = """
SELECT pg_advisory_xact_lock(key) FROM (
    SELECT DISTINCT hashtextextended('callgate.slots:' || owner || ':' || name, 0) AS key
    FROM unnest($1::uuid[], $2::text[]) AS wanted (owner, name) ORDER BY key) AS ordered
"""

# A statement of its own: only then it sees what was committed while the locks were waited for.
COUNT = """
SELECT c.organization_id, slot, count(*) AS held FROM callgate.calls c, unnest(c.slots) AS slot
WHERE c.organization_id = ANY($1::uuid[]) AND c.slots IS NOT NULL AND c.ended_at IS NULL
GROUP BY c.organization_id, slot
"""

# As `INSERT` of the records: these are not inserted, or taken over.
RECORDED = f"""
SELECT vapi_call_id FROM {ASKED_CALLS}
WHERE organization_id IS NOT NULL OR owner_checked_at IS NOT NULL
"""  # noqa: S608 - a constant

READ = f"""
SELECT array(SELECT id FROM callgate.relay_workers WHERE alive_until > clock_timestamp()) AS replicas,
    coalesce((SELECT jsonb_agg(jsonb_build_array(organization_id, slot, held)) FROM (
        SELECT c.organization_id, slot, count(*) AS held
        FROM callgate.calls c, unnest(c.slots) AS slot
        WHERE c.slots IS NOT NULL AND c.ended_at IS NULL
        GROUP BY c.organization_id, slot) AS counted), '[]') AS counts,
    coalesce((SELECT jsonb_object_agg(vapi_call_id, slots IS NOT NULL AND ended_at IS NULL)
        FROM {ASKED_CALLS}), '{{}}') AS found
"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class SlotReading:
    """The slots in use, by organization and name; the replicas alive, as workers of the relay; and those
    of the calls asked for that have a row, with whether they hold slots."""

    counts: Mapping[LimitKey, int]
    replicas: Sequence[UUID]
    found: Mapping[str, bool]


async def let_calls_in(pool: Pool, calls: Sequence[NewCall]) -> dict[CallKey, NewCall]:
    """Count calls that want slots, and record those that are let in, in one transaction.

    Returns the calls with their limits counted: granted ones are recorded, denied ones are not. Calls
    that are recorded already are not among them, and wait for no lock.
    """
    async with pool.acquire() as connection, connection.transaction():
        wanting = await list_new(connection, calls)
        if not wanting:
            return {}
        wanted = [(call.organization_id, name) for call in wanting for name in call.slots]
        await connection.execute(LOCK, [one for one, _ in wanted], [name for _, name in wanted])
        wanting = await list_new(connection, wanting)
        counts = await connection.fetch(COUNT, list({one for one, _ in wanted}))
        in_use = {(row["organization_id"], row["slot"]): row["held"] for row in counts}
        decided = {call.key: call for call in let_in(wanting, in_use)}
        granted = [call for call in decided.values() if call.decision.allowed]
        if not granted:
            return decided
        recorded = await insert_calls(connection, sorted(granted, key=lambda one: one.vapi_call_id))
    return {
        key: call for key, call in decided.items() if key in recorded or not call.decision.allowed
    }


async def list_new(connection: Connection, calls: Sequence[NewCall]) -> list[NewCall]:
    """Those of these calls that are not recorded."""
    rows = await connection.fetch(RECORDED, [call.vapi_call_id for call in calls])
    recorded = {row["vapi_call_id"] for row in rows}
    return [call for call in calls if call.vapi_call_id not in recorded]


async def read_slots(pool: Pool, vapi_call_ids: Sequence[str]) -> SlotReading:
    """What is in use as of one instant, and how these calls stand."""
    row = await pool.fetchrow(READ, list(vapi_call_ids))
    assert row is not None
    counts = {(UUID(owner), name): held for owner, name, held in row["counts"]}
    return SlotReading(counts, row["replicas"], row["found"])
