"""The rules of the rounds of hang-ups, on the model's tables."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from service.domain.calls import HangupState
from service.store.calls.hangups import (
    CLAIM_SECONDS,
    FIRST_CLAIM_SECONDS,
    OVERDUE_SECONDS,
    AskedOwner,
    HangupTarget,
    Reopened,
    RoundResult,
)
from tests.simulation.call_closing import least
from tests.simulation.call_records import RecordRules
from tests.simulation.tables import CallRow

CONFIRMED = HangupState.CONFIRMED.value
PENDING = HangupState.PENDING.value


class RoundRules(RecordRules):
    """Targets, claims and results of rounds."""

    def find_hangup_target(self, vapi_call_id: str) -> HangupTarget | None:
        row = self.tables.calls.get(vapi_call_id)
        unsettled = any(
            key[0] == vapi_call_id and claim.settled_at is None
            for key, claim in self.tables.claims.items()
        )
        if row is None or (row.hangup_state is None and not unsettled):
            return None
        return HangupTarget(
            vapi_call_id=vapi_call_id,
            organization_id=row.organization_id,
            control_url=row.control_url,
            end_proved=row.end_proved,
            hangup_state=HangupState(row.hangup_state) if row.hangup_state else None,
            hangup_attempts=row.hangup_attempts,
            gate=row.gate,
            goodbye=row.goodbye,
            hangup_accepted=row.hangup_accepted,
            unsettled=unsettled,
            owner_checked=row.owner_checked_at is not None,
            age=(self.tables.now() - row.created_at).total_seconds(),
            began=row.started_at,
            listed=self.tables.watch[0].seen_until > row.created_at,
            rounds=row.hangup_rounds,
            claimed_seconds=self.seconds_to(row.hangup_claimed_until),
            quiet_seconds=self.seconds_to(row.quiet_until),
        )

    def seconds_to(self, instant: datetime | None) -> float:
        return 0.0 if instant is None else (instant - self.tables.now()).total_seconds()

    def claim_for(self, row: CallRow, seconds: float, **changes: Any) -> None:
        until = self.tables.now() + timedelta(seconds=seconds)
        self.update(row, hangup_claimed_until=until, hangup_due_at=until, **changes)

    def claim_round(self, vapi_call_id: str) -> bool:
        row = self.tables.calls.get(vapi_call_id)
        if row is None or row.hangup_state is None or self.seconds_to(row.hangup_claimed_until) > 0:
            return False
        self.claim_for(row, CLAIM_SECONDS)
        return True

    def claim_overdue_rounds(self, limit: int) -> list[str]:
        found: list[str] = []
        for row in list(self.tables.calls.values()):
            late = self.seconds_to(row.hangup_due_at or row.updated_at) < -OVERDUE_SECONDS
            free = max(self.seconds_to(row.hangup_claimed_until), self.seconds_to(row.quiet_until))
            pending = row.hangup_state == PENDING and not row.end_proved
            if pending and late and free <= 0 and len(found) < limit:
                self.claim_for(row, CLAIM_SECONDS)
                found.append(row.vapi_call_id)
        return found

    def record_hangup(self, vapi_call_id: str, result: RoundResult) -> bool:
        row = self.tables.calls.get(vapi_call_id)
        if row is None or row.hangup_state is None:
            return False
        now, confirmed = self.tables.now(), result.state.value == CONFIRMED
        attempts = max(row.hangup_attempts, result.attempts)
        accepted = row.hangup_accepted or result.accepted
        if not confirmed and row.hangup_rounds != result.rounds - 1:
            self.update(row, hangup_attempts=attempts, hangup_accepted=accepted)
            return False
        stays = row.hangup_state == CONFIRMED and row.end_proved
        lived = (now - least(row.started_at, row.created_at)).total_seconds()
        first_lived = lived if row.lived_seconds is None else row.lived_seconds
        due_in = None if result.due_in is None else timedelta(seconds=result.due_in)
        self.update(
            row,
            hangup_state=CONFIRMED if stays else result.state.value,
            hangup_attempts=attempts,
            hangup_accepted=accepted,
            hangup_rounds=max(row.hangup_rounds, result.rounds),
            hangup_claimed_until=None,
            hangup_due_at=None if due_in is None else now + due_in,
            control_url=None if confirmed else row.control_url,
            lived_seconds=first_lived if confirmed and row.blocked else row.lived_seconds,
        )
        return True

    def record_goodbye(self, vapi_call_id: str, seconds: float) -> None:
        row = self.tables.calls.get(vapi_call_id)
        if row is not None:
            quiet_until = self.tables.now() + timedelta(seconds=seconds)
            self.update(row, goodbye=None, quiet_until=quiet_until)

    def reopen_hangup(
        self,
        vapi_call_id: str,
        control_url: str | None = None,
        organization_id: UUID | None = None,
    ) -> Reopened:
        row = self.tables.calls.get(vapi_call_id)
        if row is None:
            return "unknown"
        stopped = (row.blocked and row.organization_id) or row.hangup_state is not None
        over = row.ended_at is not None and row.end_proved
        quiet = row.quiet_until is not None and row.quiet_until >= self.tables.now()
        other = organization_id not in (None, row.organization_id)
        if not stopped or over or quiet or other:
            return "over"
        busy = self.seconds_to(row.hangup_claimed_until) > 0
        until = self.tables.now() + timedelta(seconds=FIRST_CLAIM_SECONDS)
        claimed = row.hangup_claimed_until if busy else until
        self.update(
            row,
            hangup_claimed_until=claimed,
            hangup_due_at=min(filter(None, (row.hangup_due_at, claimed))) if busy else until,
            hangup_state=PENDING,
            control_url=control_url or row.control_url,
            ended_at=None,
            ended_reason=None if row.ended_reason == "not-found" else row.ended_reason,
            status="in-progress" if row.status == "ended" else row.status,
            hangup_rounds=row.hangup_rounds if busy and row.hangup_state == PENDING else 0,
        )
        self.enqueue(vapi_call_id)
        return "busy" if busy else "reopened"

    def ask_owner(self, vapi_call_id: str, claimed_by: UUID | None) -> AskedOwner:
        row = self.tables.calls.get(vapi_call_id)
        if row is None:
            return "no_call"
        self.enqueue(vapi_call_id)
        own = claimed_by is not None and row.organization_id == claimed_by
        return "asked" if own or (vapi_call_id, claimed_by) in self.tables.claims else "no_claim"
