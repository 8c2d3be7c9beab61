"""The rules of closing calls and of their jobs, on the model's tables."""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

from service.domain.call_records.details import CallDetails
from service.domain.call_records.figures import merge_figures
from service.domain.calls import CallEnd, HangupState
from service.store.calls.closing import EndResult, close_details
from tests.simulation.tables import CallRow, JobRow, Tables

FIGURES = "duration_seconds", "duration_claimed", "cost", "cost_claimed", "cost_parts"
DETAILS = tuple(field.name for field in fields(CallDetails))


class CloseRules:
    """What other rules build on."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.job_count = 0

    def enqueue(self, call_id: str, after_seconds: float = 0.0) -> None:
        """Enqueue a hang-up; a waiting one is brought forward instead."""
        tables, now = self.tables, self.tables.now()
        job = tables.jobs.get(call_id)
        if job is None:
            self.job_count += 1
            due = now + timedelta(seconds=after_seconds)
            tables.put(tables.jobs, call_id, JobRow(call_id, due, number=self.job_count))
        elif after_seconds == 0 and job.picked_by is None and job.execute_after > now:
            tables.put(tables.jobs, call_id, replace(job, execute_after=now))
        tables.notify("queue")

    def update(self, row: CallRow, **values: object) -> CallRow:
        """Change a row; a trigger erases the control URL of a call that has ended."""
        fresh: CallRow = replace(row, **values, updated_at=self.tables.now())  # type: ignore[arg-type]
        if fresh.ended_at is not None and fresh.control_url is not None:
            fresh = replace(fresh, control_url=None)
        self.tables.put(self.tables.calls, row.vapi_call_id, fresh)
        return fresh

    def close_call(self, end: CallEnd) -> EndResult:
        """Close a row, or have Vapi asked whether the call has ended."""
        row = self.tables.calls.get(end.vapi_call_id)
        if row is None:
            return "unknown"
        if end.organization_id not in (None, row.organization_id):
            return "refused"
        merged = merge_figures(end, self.facts(row))
        figures = {name: getattr(merged, name) for name in FIGURES}
        figures |= columns(close_details(end, merged, details_of(row)))
        if end.proof == "message" and row.hangup_state is not None and not row.end_proved:
            figures["end_claimed_at"] = least(row.end_claimed_at, end.ended_at)
            self.update(row, ended_reason=least(row.ended_reason, end.ended_reason), **figures)
            self.enqueue(end.vapi_call_id)
            return "claimed"
        self.close_row(row, end, figures)
        return "closed"

    def close_row(self, row: CallRow, end: CallEnd, figures: Mapping[str, object]) -> None:
        """What `CLOSE` sets: Vapi's record beats reports, of several reports the earliest counts."""
        proved, ended_at = end.proof == "vapi", least(row.ended_at, end.ended_at)
        reason = least(known_reason(row.ended_reason), known_reason(end.ended_reason))
        reason = reason or row.ended_reason or end.ended_reason
        if proved:
            ended_at, reason = end.ended_at, end.ended_reason or row.ended_reason
        elif row.end_proved:
            ended_at, reason = row.ended_at, row.ended_reason or end.ended_reason
        lived = max((ended_at - least(row.started_at, row.created_at)).total_seconds(), 0.0)
        self.update(
            row,
            status="failed" if row.status == "failed" else "ended",
            ended_at=ended_at,
            ended_reason=reason,
            end_proved=row.end_proved or proved,
            hangup_state=None if row.hangup_state is None else HangupState.CONFIRMED.value,
            control_url=None,
            lived_seconds=lived if row.blocked and not row.decision.diverts else None,
            **figures,
        )

    def facts(self, row: CallRow) -> dict[str, object]:
        """What `merge_figures` reads of a row."""
        return {
            **{name: getattr(row, name) for name in (*FIGURES, "end_proved")},
            "began_at": least(row.started_at, row.created_at),
            "now": self.tables.now(),
        }


def details_of(row: CallRow) -> CallDetails:
    return CallDetails(*(getattr(row, name) for name in DETAILS))


def columns(details: CallDetails) -> dict[str, object]:
    return {name: getattr(details, name) for name in DETAILS}


def least(one: Any, other: Any) -> Any:
    """PostgreSQL's `least`: the smaller of those that are not null."""
    found = [value for value in (one, other) if value is not None]
    return min(found) if found else None


def known_reason(reason: str | None) -> str | None:
    """A reason that is not our own word for a call that Vapi no longer knows."""
    return None if reason == "not-found" else reason
