"""Closing a row of `callgate.calls`: what the end of a call changes, whatever came before it.

Ends arrive in any order, repeatedly, from several replicas and their spools. Each rule below gives the
same row in every order: Vapi's record beats reports; of several reports the earliest end counts, and
the largest plausible figures.
"""

from dataclasses import replace
from typing import Literal

import structlog

from service.domain.call_records.details import CallDetails, merge_details, merge_doubts
from service.domain.call_records.figures import CallFigures, merge_figures
from service.domain.calls import CallEnd, NewCall
from service.store.calls.decisions import IS_DIVERTED
from service.store.calls.details import columns_of, details_of_row
from service.store.pool import Connection
from service.store.queue import HangupJob, enqueue_hangups

EndResult = Literal["unknown", "closed", "claimed", "refused"]
"""`unknown`: no such call. `claimed`: Vapi is asked first. `refused`: another organization's call."""

LOCK = """
SELECT organization_id, hangup_state, end_proved, duration_seconds, cost, duration_claimed,
    cost_claimed, cost_parts, least(started_at, created_at) AS began_at, now() AS now,
    customer_number, line_number, assistant_id, connected, doubts
FROM callgate.calls WHERE vapi_call_id = $1 FOR UPDATE
"""

ENDED_AT = "CASE WHEN $8 THEN $2 WHEN end_proved THEN ended_at ELSE least(ended_at, $2) END"

# `not-found` is our own word for a call that Vapi no longer knows: any other reason says more. How long
# a blocked call lasted follows the instant of its end, which a later end may correct.
CLOSE = f"""
UPDATE callgate.calls SET
    status = CASE WHEN status = 'failed' THEN 'failed' ELSE 'ended' END,
    ended_at = {ENDED_AT},
    ended_reason = CASE WHEN $8 THEN coalesce($3, ended_reason)
        WHEN end_proved THEN coalesce(ended_reason, $3)
        ELSE coalesce(least(nullif(ended_reason, 'not-found'), nullif($3, 'not-found')),
            ended_reason, $3) END,
    duration_seconds = $4, duration_claimed = $5, cost = $6, cost_claimed = $7, cost_parts = $9,
    customer_number = $10, line_number = $11, assistant_id = $12, connected = $13, doubts = $14,
    end_proved = end_proved OR $8,
    hangup_state = CASE WHEN hangup_state IS NULL THEN NULL ELSE 'confirmed' END,
    control_url = NULL,
    lived_seconds = CASE WHEN blocked AND NOT {IS_DIVERTED} THEN
        greatest(extract(epoch FROM {ENDED_AT} - least(started_at, created_at))::float8, 0) END,
    updated_at = now()
WHERE vapi_call_id = $1
"""  # noqa: S608 - a constant

NOTE_FIGURES = """
UPDATE callgate.calls SET ended_reason = least(ended_reason, $2),
    duration_seconds = $3, duration_claimed = $4, cost = $5, cost_claimed = $6, cost_parts = $7,
    customer_number = $8, line_number = $9, assistant_id = $10, connected = $11, doubts = $12,
    end_claimed_at = least(end_claimed_at, $13), updated_at = now()
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
        cost_parts=call.cost_parts,
        details=call.details,
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
        if figures.doubts:
            log_refused(end)
        known = columns_of(close_details(end, figures, details_of_row(row)))
        call_id, reason = end.vapi_call_id, end.ended_reason
        if end.proof == "message" and row["hangup_state"] is not None and not row["end_proved"]:
            # Keep what the report says, and bring the next question to Vapi forward.
            await connection.execute(
                NOTE_FIGURES, call_id, reason, *figure_columns(figures), *known, end.ended_at
            )
            await enqueue_hangups(connection, [HangupJob(call_id)])
            return "claimed"
        *claims, parts = figure_columns(figures)
        given = *claims, end.proof == "vapi", parts, *known
        await connection.execute(CLOSE, call_id, end.ended_at, reason, *given)
    return "closed"


def figure_columns(figures: CallFigures) -> tuple[object, ...]:
    """The values of the columns of figures, the parts of the cost last."""
    return (
        figures.duration_seconds,
        figures.duration_claimed,
        figures.cost,
        figures.cost_claimed,
        figures.cost_parts,
    )


def close_details(end: CallEnd, figures: CallFigures, known: CallDetails) -> CallDetails:
    """The details of a call after an end: what of its figures was refused is doubted too."""
    merged = merge_details(known, end.details)
    return replace(merged, doubts=merge_doubts(merged.doubts, figures.doubts))


def log_refused(end: CallEnd) -> None:
    log.warning(
        "call.figures_refused",
        call_id=end.vapi_call_id,
        duration_seconds=end.duration_seconds,
        cost=end.cost,
    )
