"""The rules of owners, cuts and the watch, on the model's tables."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from service.domain.calls import NewCall
from service.store.calls.hangups import FIRST_CLAIM_SECONDS, HANDOVER_SECONDS
from service.store.calls.live import CutCall
from service.store.calls.watch import CallListFindings, WatchedCall
from service.store.leases import LEASE_SECONDS
from tests.simulation.call_rounds import CONFIRMED, PENDING, RoundRules
from tests.simulation.tables import CallRow, ClaimRow

LOOKED_BACK = timedelta(days=3)
HELD_BACK = timedelta(days=30)


class CallRules(RoundRules):
    """All methods of `CallStore`."""

    def confirm_owner(self, vapi_call_id: str, organization_id: UUID | None) -> bool:
        row = self.tables.calls.get(vapi_call_id)
        if row is None or row.organization_id != organization_id:
            return False
        self.settle_claims(vapi_call_id)
        if row.owner_checked_at is None:
            fresh = replace(row, owner_checked_at=self.tables.now())
            self.tables.put(self.tables.calls, vapi_call_id, fresh)
        return True

    def settle_claims(self, vapi_call_id: str) -> None:
        for key, claim in list(self.tables.claims.items()):
            if key[0] == vapi_call_id and claim.settled_at is None:
                settled = replace(claim, settled_at=self.tables.now())
                self.tables.put(self.tables.claims, key, settled)

    def change_owner(self, call: NewCall) -> bool:
        old = self.tables.calls.get(call.vapi_call_id)
        if old is None or old.organization_id == call.organization_id:
            return False
        self.keep_former(old)
        now, row = self.tables.now(), self.row_of(call)
        self.update(
            row,
            customer_number="" if old.customer_number == "" else row.customer_number,
            type=old.type,
            started_at=old.started_at,
            created_at=old.created_at,
            missed=old.missed,
            number=old.number,
            corrected_at=old.corrected_at,
            goodbye=None,
            duration_claimed=False,
            cost_claimed=False,
            owner_checked_at=now,
            hangup_due_at=now,
            hangup_claimed_until=None,
        )
        if call.key in self.tables.claims:
            self.tables.put(self.tables.claims, call.key, None)
        self.settle_claims(call.vapi_call_id)
        if call.hangup_after_seconds is not None:
            self.enqueue(call.vapi_call_id)
        return True

    def keep_former(self, old: CallRow) -> None:
        """The former organization keeps its decision as a claim."""
        key = old.vapi_call_id, old.organization_id
        if old.organization_id is None or key in self.tables.claims:
            return
        claim = ClaimRow(
            old.vapi_call_id,
            old.organization_id,
            old.phone_number_id,
            old.vapi_phone_number_id,
            old.gate,
            old.blocked,
            old.decision,
            self.tables.now(),
        )
        self.tables.put(self.tables.claims, key, claim)

    def list_organizations_to_cut(self) -> tuple[datetime, list[UUID]]:
        found = {row.organization_id for row in self.tables.calls.values() if may_be_cut(row)}
        owners = sorted(one for one in found if one is not None and self.cuts(one))
        return self.tables.now(), owners

    def cuts(self, organization_id: UUID) -> bool:
        """Whether the organization wants its calls ended with its access."""
        entry = self.tables.entries.get(organization_id)
        return entry is not None and entry.organization.handling.when_access_ends == "hang_up"

    def cut_calls(self, organization_id: UUID, reason: str, as_of: datetime) -> Sequence[CutCall]:
        rows = [
            row
            for row in self.tables.calls.values()
            if row.organization_id == organization_id
            and row.created_at <= as_of
            and may_be_cut(row)
        ]
        return self.cut(rows, reason)

    def cut_long_calls(self, seconds: float, slack: float) -> Sequence[CutCall]:
        now = self.tables.now()
        rows = []
        for row in self.tables.calls.values():
            entry = self.tables.entries.get(row.organization_id) if row.organization_id else None
            if entry is None or row.status != "in-progress" or not may_be_cut(row):
                continue
            most = entry.organization.handling.max_duration_seconds or seconds
            if row.created_at < now - timedelta(seconds=most + slack):
                rows.append(row)
        return self.cut(rows, "longest_call")

    def cut(self, rows: Sequence[CallRow], reason: str) -> Sequence[CutCall]:
        found = []
        for row in sorted(rows, key=lambda row: row.vapi_call_id):
            changes = {"cut_at": self.tables.now(), "cut_reason": reason, "hangup_state": PENDING}
            self.claim_for(row, FIRST_CLAIM_SECONDS, **changes, hangup_rounds=0)
            self.enqueue(row.vapi_call_id, HANDOVER_SECONDS)
            assert row.organization_id is not None
            found.append(
                CutCall(row.vapi_call_id, row.organization_id, row.control_url, row.started_at)
            )
        return found

    def list_cut_calls(self) -> set[str]:
        calls = self.tables.calls.values()
        return {row.vapi_call_id for row in calls if row.cut_at and not row.end_proved}

    def claim_watch(self) -> tuple[int, datetime, datetime] | None:
        row, now = self.tables.watch[0], self.tables.now()
        if row.next_look_at > now or (row.claimed_until and row.claimed_until >= now):
            return None
        until = now + timedelta(seconds=LEASE_SECONDS)
        fresh = replace(row, claim=row.claim + 1, claimed_until=until)
        self.tables.put(self.tables.watch, 0, fresh)
        return fresh.claim, fresh.seen_until, now

    def renew_watch(self, claim: int) -> bool:
        row = self.tables.watch[0]
        if row.claim != claim or row.claimed_until is None:
            return False
        until = self.tables.now() + timedelta(seconds=LEASE_SECONDS)
        self.tables.put(self.tables.watch, 0, replace(row, claimed_until=until))
        return True

    def release_watch(self, claim: int, next_in: float, found: CallListFindings) -> None:
        row = self.tables.watch[0]
        if row.claim == claim:
            next_look_at = self.tables.now() + timedelta(seconds=next_in)
            fresh = replace(row, claimed_until=None, next_look_at=next_look_at)
            fresh = replace(fresh, seen_until=found.reached or row.seen_until)
            self.tables.put(self.tables.watch, 0, fresh)

    def get_seconds_to_watch(self) -> float:
        row = self.tables.watch[0]
        due = max(row.next_look_at, row.claimed_until or row.next_look_at)
        return (due - self.tables.now()).total_seconds()

    def find_watched(self, vapi_call_ids: Sequence[str]) -> dict[str, WatchedCall]:
        found = {}
        for call_id in vapi_call_ids:
            if (row := self.tables.calls.get(call_id)) is not None:
                found[call_id] = WatchedCall(
                    call_id,
                    row.organization_id,
                    row.vapi_phone_number_id,
                    row.ended_at,
                    row.end_proved,
                    row.owner_checked_at is not None,
                    row.cost,
                    row.hangup_state is not None,
                    call_id in self.tables.jobs,
                )
        return found

    def reopen_call(self, vapi_call_id: str) -> None:
        row = self.tables.calls.get(vapi_call_id)
        if row is not None and not row.end_proved and row.hangup_state is None:
            status = "in-progress" if row.status == "ended" else row.status
            self.update(row, ended_at=None, ended_reason=None, status=status)

    def list_old_open(self, before: datetime, limit: int) -> list[str]:
        now = self.tables.now()
        rows = [
            row
            for row in self.tables.calls.values()
            if row.status != "ended"
            and row.ended_at is None
            and row.created_at < before
            and now - (HELD_BACK if row.slots else LOOKED_BACK) < row.created_at
            and row.hangup_state != CONFIRMED
        ]
        return [row.vapi_call_id for row in sorted(rows, key=lambda row: row.updated_at)][:limit]

    def record_check(self, vapi_call_id: str) -> None:
        if (row := self.tables.calls.get(vapi_call_id)) is not None:
            self.update(row)


def may_be_cut(row: CallRow) -> bool:
    """Whether a granted call goes on and was not cut before."""
    return not row.blocked and row.status != "ended" and row.ended_at is None and row.cut_at is None
