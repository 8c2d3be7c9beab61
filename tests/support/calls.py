"""Calls as rows, for tests of what reads them."""

from datetime import UTC, datetime
from uuid import uuid4

from policies.contract import Effect
from service.domain.calls import NewCall
from service.domain.decisions import Decision
from service.store.calls.records import record_calls
from service.store.pool import Pool

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


def new_call(call_id: str, *, allowed: bool = True, **given: object) -> NewCall:
    """A call, granted unless told otherwise."""
    effect = Effect.ALLOW if allowed else Effect.DENY
    reason = "plan_active" if allowed else "trial_expired"
    values: dict[str, object] = {
        "organization_id": None,
        "phone_number_id": None,
        "vapi_phone_number_id": None,
        "type": None,
        "gate": "event",
        "decision": Decision(uuid4(), effect, reason, "plan", "fresh", (), AT),
        "started_at": AT,
    }
    return NewCall(vapi_call_id=call_id, **{**values, **given})  # type: ignore[arg-type]


async def record(pool: Pool, *calls: NewCall) -> None:
    """Record calls one after the other."""
    async with pool.acquire() as connection:
        for call in calls:
            await record_calls(connection, [call])
