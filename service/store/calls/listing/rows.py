"""Rows of `callgate.calls` as calls, for the API and the panel; never with a control URL."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from service.domain.call_records.details import CallDetails, merge_doubts
from service.domain.calls import NOT_FOUND, SLACK, Call, Hangup, HangupState
from service.store.calls.decisions import load_decision
from service.store.calls.details import details_of_row
from service.store.pool import Pool

COLUMNS = """
SELECT id, vapi_call_id, organization_id, phone_number_id, type, status, blocked, reason, gate,
    decision, hangup_state, hangup_attempts, started_at, ended_at, ended_reason,
    duration_seconds, cost, lived_seconds, cut_at, cut_reason, missed, created_at, cost_parts,
    customer_number, coalesce(line_number, number) AS line_number, assistant_id, connected, doubts
FROM callgate.calls
"""

NAMES = """
SELECT c.id, o.name AS organization_name, n.number, n.label AS number_label
FROM callgate.calls c
LEFT JOIN callgate.organizations o ON o.id = c.organization_id
LEFT JOIN callgate.phone_numbers n ON n.id = c.phone_number_id
WHERE c.id = ANY($1::uuid[])
"""


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
        lived_seconds=None if row["ended_reason"] == NOT_FOUND else row["lived_seconds"],
        cut_at=row["cut_at"],
        cut_reason=row["cut_reason"],
        missed=row["missed"],
        cost_parts=row["cost_parts"],
        details=judge_end(row, details_of_row(row)),
    )


def judge_end(row: Any, details: CallDetails) -> CallDetails:
    """The details, with a doubt of an end that lies before the beginning: they may have come with
    different messages, in any order, so only the whole row shows it."""
    began, ended = row["started_at"], row["ended_at"]
    if began is None or ended is None or ended >= began - SLACK:
        return details
    return replace(details, doubts=merge_doubts(details.doubts, ["ended_at"]))


async def find_names(pool: Pool, call_ids: Sequence[UUID]) -> dict[UUID, CallNames]:
    """The names of organizations and numbers of calls, by the calls' ids."""
    rows = await pool.fetch(NAMES, list(call_ids))
    return {
        row["id"]: CallNames(row["organization_name"], row["number"], row["number_label"])
        for row in rows
    }
