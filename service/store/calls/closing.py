"""Closing a row of `callgate.calls`: what the end of a call changes, whatever came before it.

Ends arrive in any order, repeatedly, from several replicas and their spools. Each rule below gives the
same row in every order: Vapi's record beats reports; of several reports the earliest end counts, and
the largest plausible figures.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal, TypeVar

import structlog

from service.domain.calls import CallEnd, NewCall, plausible_cost, plausible_duration
from service.store.pool import Connection
from service.store.queue import HangupJob, enqueue_hangups

EndResult = Literal["unknown", "closed", "claimed", "refused"]
"""`unknown`: no such call. `claimed`: Vapi is asked first. `refused`: another organization's call."""

Figure = TypeVar("Figure", float, Decimal)

LOCK = """
SELECT organization_id, hangup_state, end_proved, duration_seconds, cost, duration_claimed,
    cost_claimed, least(started_at, created_at) AS began_at, now() AS now
FROM callgate.calls WHERE vapi_call_id = $1 FOR UPDATE
"""

# `not-found` is our own word for a call that Vapi no longer knows: any other reason says more.
CLOSE = """
UPDATE callgate.calls SET
    status = CASE WHEN status = 'failed' THEN 'failed' ELSE 'ended' END,
    ended_at = CASE WHEN $8 THEN $2 WHEN end_proved THEN ended_at ELSE least(ended_at, $2) END,
    ended_reason = CASE WHEN $8 THEN coalesce($3, ended_reason)
        WHEN end_proved THEN coalesce(ended_reason, $3)
        ELSE coalesce(least(nullif(ended_reason, 'not-found'), nullif($3, 'not-found')),
            ended_reason, $3) END,
    duration_seconds = $4, duration_claimed = $5, cost = $6, cost_claimed = $7,
    end_proved = end_proved OR $8,
    hangup_state = CASE WHEN hangup_state IS NULL THEN NULL ELSE 'confirmed' END,
    control_url = NULL,
    lived_seconds = CASE WHEN blocked THEN coalesce(lived_seconds,
        greatest(extract(epoch FROM $2 - least(started_at, created_at))::float8, 0)) ELSE NULL END,
    updated_at = now()
WHERE vapi_call_id = $1
"""

NOTE_FIGURES = """
UPDATE callgate.calls SET ended_reason = least(ended_reason, $2),
    duration_seconds = $3, duration_claimed = $4, cost = $5, cost_claimed = $6, updated_at = now()
WHERE vapi_call_id = $1
"""

log = structlog.get_logger()


def end_of(call: NewCall) -> CallEnd | None:
    """The end that a call's first message reported; None if it goes on."""
    if call.ended_at is None:
        return None
    return CallEnd(
        call.vapi_call_id,
        call.ended_at,
        call.ended_reason,
        call.duration_seconds,
        call.cost,
        call.organization_id,
        "vapi" if call.end_proved else "message",
        reported_at=call.decision.decided_at,
    )


async def close_call(connection: Connection, end: CallEnd) -> EndResult:
    """Close a call, or have Vapi asked whether it has ended if it is being hung up."""
    async with connection.transaction():
        row = await connection.fetchrow(LOCK, end.vapi_call_id)
        if row is None:
            return "unknown"
        if end.organization_id not in (None, row["organization_id"]):
            log.warning("call.end_refused", call_id=end.vapi_call_id)
            return "refused"
        figures = merge_figures(end, row)
        call_id, reason = end.vapi_call_id, end.ended_reason
        if end.proof == "message" and row["hangup_state"] is not None and not row["end_proved"]:
            # Keep what the report says, and bring the next question to Vapi forward.
            await connection.execute(NOTE_FIGURES, call_id, reason, *figures)
            await enqueue_hangups(connection, [HangupJob(call_id)])
            return "claimed"
        proved = end.proof == "vapi"
        await connection.execute(CLOSE, call_id, end.ended_at, reason, *figures, proved)
    return "closed"


def merge_figures(
    end: CallEnd, row: Mapping[str, Any]
) -> tuple[float | None, bool, Decimal | None, bool]:
    """Duration and cost after this end, each with whether it is a claim that Vapi's record replaces."""
    if end.proof == "vapi":
        # A cost of 0 is one that Vapi has not summed up yet.
        return (
            *replace_figure(end.duration_seconds, row["duration_seconds"], row["duration_claimed"]),
            *replace_figure(end.cost or None, row["cost"], row["cost_claimed"]),
        )
    # Judged as of the report's arrival: how long a spool kept it must not matter.
    now = min(end.reported_at or row["now"], row["now"])
    duration, cost = check_figures(end, now - (row["began_at"] or now))
    proved = row["end_proved"]
    return (
        *add_claim(duration, row["duration_seconds"], proved and not row["duration_claimed"]),
        *add_claim(cost, row["cost"], proved and not row["cost_claimed"]),
    )


def replace_figure(
    told: Figure | None, known: Figure | None, claimed: bool
) -> tuple[Figure | None, bool]:
    """A figure after Vapi's record."""
    return (known, claimed) if told is None else (told, False)


def add_claim(
    claim: Figure | None, known: Figure | None, proved: bool
) -> tuple[Figure | None, bool]:
    """A figure after a report; `proved`: the known one is Vapi's, if there is one."""
    if known is None or claim is None:
        return (claim, claim is not None) if known is None else (known, not proved)
    return (known, False) if proved else (max(known, claim), True)


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
