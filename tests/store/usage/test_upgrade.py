"""An upgrade sums up the calls that were recorded before it, and those that are recorded meanwhile."""

from datetime import timedelta
from uuid import uuid4

from service.domain.calls import NewCall
from service.store.calls.decisions import dump_decision
from service.store.pool import Pool
from service.store.schema import downgrade, migrate
from tests.store.usage.helpers import KEPT, check, read
from tests.support.calls import AT, new_call

# A call as the version before this upgrade records it.
OLD_CALL = """
INSERT INTO callgate.calls (vapi_call_id, organization_id, type, status, blocked, reason, gate, decision,
    started_at, ended_at, duration_seconds, cost)
VALUES ($1, $2, 'inboundPhoneCall', 'ended', false, 'plan_active', 'event', $3, $4, $5, $6, $7)
"""


def old_row(call: NewCall) -> tuple[object, ...]:
    """The parameters of `OLD_CALL`."""
    return (
        call.vapi_call_id,
        call.organization_id,
        dump_decision(call.decision),
        call.started_at,
        call.ended_at,
        call.duration_seconds,
        call.cost,
    )


async def test_calls_before_and_during_an_upgrade_count_once(dsn: str, pool: Pool) -> None:
    await downgrade(dsn, "0034c")
    owners = [uuid4(), uuid4()]
    for place, step in enumerate(("0035", "0035b")):
        for number, owner in enumerate(owners):
            call = new_call(
                f"call-{place}-{number}",
                organization_id=owner,
                started_at=AT - timedelta(hours=30 * number),
                ended_at=AT,
                duration_seconds=12.5,
            )
            await pool.execute(OLD_CALL, *old_row(call))
        await migrate(dsn, step)
    assert sum(sums.calls for sums in (await read(pool, KEPT)).values()) == 4
    await check(pool)
    await migrate(dsn)
