"""The rules of recording calls, ends and claims, on the model's tables.

They repeat what the statements in `service.store.calls` do; `test_model.py` compares the two.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from service.domain.call_records.details import merge_details
from service.domain.calls import CallEnd, CallKey, HangupState, NewCall
from service.domain.policies.limits import LimitKey, let_in
from service.store.calls.closing import EndResult, end_of
from service.store.calls.corrections import guess_seconds, rank
from service.store.calls.decisions import StoredDecision
from service.store.calls.details import ConnectedCall
from service.store.calls.hangups import FIRST_CLAIM_SECONDS, HANDOVER_SECONDS
from service.store.calls.limits.slots import SlotReading
from tests.simulation.call_claims import ClaimRules
from tests.simulation.call_closing import columns, details_of, least
from tests.simulation.tables import CallRow


class RecordRules(ClaimRules):
    """Each method is one transaction; its name and its answer are those of `CallStore`."""

    def record_calls(
        self, calls: Sequence[NewCall]
    ) -> tuple[set[CallKey], dict[CallKey, StoredDecision]]:
        ordered = sorted(calls, key=lambda call: call.vapi_call_id)
        recorded = {call.key: self.insert(call) for call in ordered}
        won = {key for key, result in recorded.items() if result is not None}
        for call in ordered:
            if call.hangup_after_seconds is not None and call.key in won:
                self.enqueue(call.vapi_call_id, call.hangup_after_seconds or HANDOVER_SECONDS)
        self.merge_ends([call for call in ordered if recorded[call.key] == "taken over"])
        lost = [call for call in ordered if call.key not in won]
        claimed, stored = self.find_or_claim(lost)
        return won | claimed, stored

    def let_calls_in(self, calls: Sequence[NewCall]) -> dict[CallKey, NewCall]:
        """Count calls that want slots, and insert those that are let in."""
        rows = self.tables.calls
        recorded = {one for one, row in rows.items() if row.organization_id or row.owner_checked_at}
        wanting = [one for one in calls if one.vapi_call_id not in recorded]
        decided = {call.key: call for call in let_in(wanting, self.count_slots())}
        for call in sorted(decided.values(), key=lambda one: one.vapi_call_id):
            if call.decision.allowed and self.insert(call) is None:
                del decided[call.key]
        return decided

    def count_slots(self) -> dict[LimitKey, int]:
        """The slots in use."""
        return Counter(
            (row.organization_id, name)
            for row in self.tables.calls.values()
            if row.ended_at is None and row.organization_id is not None
            for name in row.slots
        )

    def read_slots(self, vapi_call_ids: Sequence[str]) -> SlotReading:
        rows = self.tables.calls
        found = {
            one: bool(rows[one].slots) and rows[one].ended_at is None
            for one in vapi_call_ids
            if one in rows
        }
        return SlotReading(self.count_slots(), list(self.tables.replicas), found)

    def insert(self, call: NewCall) -> Literal["inserted", "taken over"] | None:
        """Insert a row, or take over the row of a call without an organization."""
        calls, row = self.tables.calls, self.row_of(call)
        old = calls.get(call.vapi_call_id)
        if old is None:
            self.tables.put(calls, call.vapi_call_id, row)
            return "inserted"
        if old.organization_id or not call.organization_id or old.owner_checked_at:
            return None
        open_status = "in-progress" if old.ended_at is None else "ended"
        self.update(
            old,
            organization_id=row.organization_id,
            phone_number_id=row.phone_number_id,
            vapi_phone_number_id=row.vapi_phone_number_id,
            status="failed" if row.blocked else open_status,
            blocked=row.blocked,
            reason=row.reason,
            gate=row.gate,
            decision=row.decision,
            control_url=row.control_url or old.control_url,
            hangup_state=row.hangup_state,
            hangup_attempts=0,
            hangup_rounds=0,
            hangup_due_at=row.hangup_due_at,
            hangup_claimed_until=row.hangup_claimed_until,
            goodbye=row.goodbye,
            slots=row.slots,
            started_at=least(old.started_at, row.started_at),
            type=old.type or row.type,
            **columns(merge_details(details_of(old), call.details)),
        )
        return "taken over"

    def row_of(self, call: NewCall) -> CallRow:
        """The row of a new call."""
        now, ended = self.tables.now(), call.ended_at is not None
        after = call.hangup_after_seconds
        hangup, due_at, claimed_until = after is not None, None, None
        if after is not None:
            due_at = now + timedelta(seconds=after or FIRST_CLAIM_SECONDS)
            claimed_until = due_at if after == 0 or call.guessed else None
        return CallRow(
            vapi_call_id=call.vapi_call_id,
            organization_id=call.organization_id,
            phone_number_id=call.phone_number_id,
            vapi_phone_number_id=call.vapi_phone_number_id,
            type=call.type,
            status="failed" if call.blocked else "ended" if ended else "in-progress",
            blocked=call.blocked,
            reason=call.decision.reason,
            gate=call.gate,
            decision=call.decision,
            control_url=None if ended else call.control_url,
            hangup_state=HangupState.PENDING.value if hangup else None,
            started_at=call.started_at,
            ended_at=call.ended_at,
            ended_reason=call.ended_reason,
            duration_seconds=call.duration_seconds,
            cost=call.cost,
            goodbye=call.goodbye,
            missed=call.missed,
            number=call.number,
            end_proved=call.end_proved,
            duration_claimed=not call.end_proved and call.duration_seconds is not None,
            cost_claimed=not call.end_proved and call.cost is not None,
            created_at=now,
            updated_at=now,
            hangup_due_at=due_at,
            hangup_claimed_until=claimed_until,
            cost_parts=call.cost_parts,
            slots=call.slots,
            **columns(call.details),  # type: ignore[arg-type]
        )

    def find_or_claim(
        self, lost: Sequence[NewCall]
    ) -> tuple[set[CallKey], dict[CallKey, StoredDecision]]:
        """The stored decisions of recorded calls; another organization's becomes a claim."""
        rows = self.find_decisions([call.vapi_call_id for call in lost])
        rivals = [
            call
            for call in lost
            if call.organization_id not in (None, rows[call.vapi_call_id].organization_id)
        ]
        own = [call for call in lost if call not in rivals]
        for call in own:
            self.merge_facts(call)
        self.merge_ends(own)
        rows |= self.find_decisions(self.correct_decisions(own, rows))
        stored = {call.key: rows[call.vapi_call_id] for call in own}
        fresh = {call.key for call in rivals if self.claim(call)}
        for call_id in sorted({key[0] for key in fresh}):
            self.enqueue(call_id)
        contested = {call.vapi_call_id: rows[call.vapi_call_id] for call in rivals}
        return fresh, stored | self.find_claims(contested)

    def correct_decisions(
        self, calls: Sequence[NewCall], rows: Mapping[str, StoredDecision]
    ) -> list[str]:
        """Exchange stored decisions that those of acted calls outrank."""
        corrected = []
        for call in calls:
            call_id = call.vapi_call_id
            stored, row = rows[call_id].decision, self.tables.calls[call_id]
            outranks = call.acted and rank(call.decision) < rank(stored)
            owned = row.organization_id == call.organization_id
            if outranks and owned and rank(row.decision) > rank(call.decision):
                self.correct(row, call)
                corrected.append(call_id)
                if call.hangup_after_seconds is not None:
                    self.enqueue(call_id, guess_seconds(call))
        return corrected

    def correct(self, row: CallRow, call: NewCall) -> None:
        """What `CORRECT` sets."""
        ended_at = row.ended_at
        if not call.blocked and row.cut_at is None:
            ended_at = row.ended_at or row.end_claimed_at
        open_status = "in-progress" if ended_at is None else "ended"
        state = row.hangup_state if row.cut_at is not None and not call.blocked else None
        rounds, due_at, claimed_until = row.hangup_rounds, row.hangup_due_at, None
        waits = guess_seconds(call) if row.hangup_state is None else 0.0
        if call.hangup_after_seconds is not None:
            state = (HangupState.CONFIRMED if row.end_proved else HangupState.PENDING).value
            rounds, due_at = 0, self.tables.now() + timedelta(seconds=waits)
            claimed_until = due_at if waits else None
        self.update(
            row,
            decision=call.decision,
            reason=call.decision.reason,
            blocked=call.blocked,
            gate=call.gate,
            goodbye=call.goodbye,
            control_url=row.control_url or call.control_url,
            ended_at=ended_at,
            status="failed" if call.blocked else open_status,
            hangup_state=state,
            hangup_rounds=rounds,
            hangup_due_at=due_at,
            hangup_claimed_until=claimed_until or row.hangup_claimed_until,
            cut_at=None if call.blocked else row.cut_at,
            cut_reason=None if call.blocked else row.cut_reason,
            lived_seconds=row.lived_seconds if call.blocked else None,
            corrected_at=self.tables.now(),
            slots=call.slots,
        )

    def list_corrected(self, since: datetime | None) -> tuple[datetime, list[str]]:
        found = [
            row.vapi_call_id
            for row in self.tables.calls.values()
            if since is not None and row.corrected_at is not None and row.corrected_at > since
        ]
        return self.tables.now(), found

    def merge_facts(self, call: NewCall) -> None:
        """Give a recorded call what a later record knows of it."""
        row = self.tables.calls[call.vapi_call_id]
        if call.organization_id not in (None, row.organization_id):
            return
        bare = row.decision.id == call.decision.id and not row.decision.trace
        decisive = bare and call.decision.trace
        fresh = {
            "started_at": least(row.started_at, call.started_at),
            "type": row.type or call.type,
            "phone_number_id": row.phone_number_id or call.phone_number_id,
            "vapi_phone_number_id": row.vapi_phone_number_id or call.vapi_phone_number_id,
            "control_url": row.control_url or call.control_url,
            "gate": call.gate if bare else row.gate,
            "decision": call.decision if bare else row.decision,
            "slots": call.slots if bare else row.slots,
        }
        # The gate follows the decision, and the URL of a call that has ended is of no use.
        idle = {"gate", "slots", *(() if decisive else ("decision",))}
        idle |= set() if row.ended_at is None else {"control_url"}
        if any(fresh[name] != getattr(row, name) for name in set(fresh) - idle):
            row = self.update(row, **fresh)
        if (merged := merge_details(details_of(row), call.details)) != details_of(row):
            self.update(row, **columns(merged))

    def merge_ends(self, calls: Sequence[NewCall]) -> None:
        """Close recorded calls whose later record reports their end."""
        for end in map(end_of, calls):
            if end is not None:
                self.close_call(end)

    def record_connected(self, connected: Sequence[ConnectedCall]) -> None:
        for one in connected:
            row = self.tables.calls.get(one.vapi_call_id)
            if row is None or one.organization_id not in (None, row.organization_id):
                continue
            if not row.connected:
                assistant = least(row.assistant_id, one.assistant_id)
                self.update(row, connected=True, assistant_id=assistant)

    def find_decisions(self, vapi_call_ids: Sequence[str]) -> dict[str, StoredDecision]:
        return {one: self.stored(one) for one in vapi_call_ids if one in self.tables.calls}

    def find_organizations_of_call(self, vapi_call_id: str) -> set[UUID]:
        row = self.tables.calls.get(vapi_call_id)
        found = {row.organization_id} if row and row.organization_id else set()
        return found | {
            owner for call, owner in self.tables.claims if call == vapi_call_id and owner
        }

    def record_end(self, end: CallEnd) -> EndResult:
        result = self.close_call(end)
        if result != "unknown" or end.call is None:
            return result
        self.record_calls([end.call])
        return self.close_call(end)
