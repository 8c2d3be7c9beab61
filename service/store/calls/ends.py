"""Ends of calls in `callgate.calls`: what a message reports, and what Vapi's own record says.

A report is a claim. It closes a call that may go on; a call that is being hung up is closed by Vapi's
record only, or once Vapi no longer knows it. Figures of reports are checked for sense.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

import structlog

from service.domain.calls import CallEnd, plausible_cost, plausible_duration
from service.store.pool import Connection, Pool
from service.store.queue import HangupJob, enqueue_hangups

EndResult = Literal["unknown", "closed", "claimed", "refused"]
"""`unknown`: no such call. `claimed`: Vapi is asked first. `refused`: another organization's call."""

LOCK = """
SELECT organization_id, hangup_state, end_proved, ended_at, duration_seconds, cost,
    least(started_at, created_at) AS began_at, now() AS now
FROM callgate.calls WHERE vapi_call_id = $1 FOR UPDATE
"""

# Reports arrive in any order and repeatedly: an end stays, new figures are added.
CLOSE = """
UPDATE callgate.calls SET
    status = CASE WHEN status = 'failed' THEN 'failed' ELSE 'ended' END,
    ended_at = CASE WHEN $6 THEN $2 ELSE coalesce(ended_at, $2) END,
    ended_reason = CASE WHEN $6 THEN coalesce($3, ended_reason) ELSE coalesce(ended_reason, $3) END,
    duration_seconds = $4, cost = $5, end_proved = end_proved OR $6,
    hangup_state = CASE WHEN hangup_state IS NULL THEN NULL ELSE 'confirmed' END,
    control_url = NULL,
    lived_seconds = CASE WHEN blocked THEN coalesce(lived_seconds,
        greatest(extract(epoch FROM $2 - created_at)::float8, 0)) ELSE NULL END,
    updated_at = now()
WHERE vapi_call_id = $1
"""

NOTE_FIGURES = """
UPDATE callgate.calls SET ended_reason = coalesce(ended_reason, $2), duration_seconds = $3, cost = $4,
    updated_at = now()
WHERE vapi_call_id = $1
"""

log = structlog.get_logger()


async def record_end(pool: Pool, end: CallEnd) -> EndResult:
    """Close a call, or have Vapi asked whether it has ended if it is being hung up."""
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(LOCK, end.vapi_call_id)
        if row is None:
            return "unknown"
        if end.organization_id not in (None, row["organization_id"]):
            log.warning("call.end_refused", call_id=end.vapi_call_id)
            return "refused"
        if end.proof == "message" and row["hangup_state"] is not None and not row["end_proved"]:
            return await claim_end(connection, end, row)
        duration, cost = figures(end, row)
        await connection.execute(
            CLOSE,
            end.vapi_call_id,
            end.ended_at,
            end.ended_reason,
            duration,
            cost,
            end.proof == "vapi",
        )
    return "closed"


async def claim_end(connection: Connection, end: CallEnd, row: Mapping[str, Any]) -> EndResult:
    """Keep what the report says, and bring the next question to Vapi forward."""
    await connection.execute(NOTE_FIGURES, end.vapi_call_id, end.ended_reason, *figures(end, row))
    await enqueue_hangups(connection, [HangupJob(end.vapi_call_id)])
    return "claimed"


def figures(end: CallEnd, row: Mapping[str, Any]) -> tuple[float | None, Decimal | None]:
    """Duration and cost as they stand after this end."""
    known = row["duration_seconds"], row["cost"]
    if end.proof == "vapi":
        # A cost of 0 is one that Vapi has not summed up yet.
        return first(end.duration_seconds, known[0]), (end.cost or None) or known[1]
    duration, cost = check_figures(end, row["now"] - (row["began_at"] or row["now"]))
    if row["end_proved"]:
        return first(known[0], duration), first(known[1], cost)
    return first(duration, known[0]), first(cost, known[1])


def check_figures(end: CallEnd, age: timedelta) -> tuple[float | None, Decimal | None]:
    """The plausible figures of a report; others are logged and dropped."""
    duration = plausible_duration(end.duration_seconds, age)
    cost = plausible_cost(end.cost, duration, age)
    if (duration, cost) != (end.duration_seconds, end.cost):
        log.warning(
            "call.figures_refused",
            call_id=end.vapi_call_id,
            duration_seconds=end.duration_seconds,
            cost=end.cost,
        )
    return duration, cost


def first(value: Any, other: Any) -> Any:
    """The value, unless it is None."""
    return other if value is None else value
