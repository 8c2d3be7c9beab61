"""The rules of sweeps, of the key, and of the budget of requests, on the model's tables."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from tests.simulation.number_rows import BudgetRow, SweepRow, WebhookRow
from tests.simulation.number_rules import TRUE, PassRules
from tests.simulation.number_tables import Rows, one_row

LONG_AGO = datetime.min.replace(tzinfo=UTC)


class SweepRules(PassRules):
    """The statements of `sweeps`, `missing`, `unanswered` and `successors`."""

    def begin_sweep(self, started_by: str, dry_run: bool) -> Rows:
        count = len([number for number in self.numbers.values() if number.released_at is None])
        sweep = SweepRow(self.next_id("sweeps"), self.now, started_by, dry_run, count)
        self.tables.put(self.sweeps, sweep.id, sweep)
        return one_row(id=sweep.id, registered=count)

    def advance_sweep(self, sweep_id: int, seen: int) -> Rows:
        if row := self.sweeps.get(sweep_id):  # a failover may have lost it
            self.tables.put(self.sweeps, sweep_id, replace(row, seen=seen))
        return []

    def end_this_sweep(
        self, sweep_id: int, outcome: str, figures: Mapping[str, Any], error: str | None
    ) -> Rows:
        if sweep := self.sweeps.get(sweep_id):
            told = replace(sweep, outcome=outcome, figures=figures, error=error)
            self.tables.put(self.sweeps, sweep_id, replace(told, finished_at=self.now))
        return []

    def trim_sweeps(self) -> Rows:
        """No seed lasts for a month."""
        return []

    def find_seen(self, vapi_ids: Sequence[str], sweep_id: int) -> Rows:
        found, sweep = [], self.sweeps.get(sweep_id)
        for number, row in self.registered():
            if number.vapi_phone_number_id not in vapi_ids:
                continue
            waits = row.next_attempt_at is not None and row.next_attempt_at > self.now
            found.append(
                self.facts(number, row)
                | {
                    "fight_left": None,
                    "state": row.state,
                    "again": row.seen_sweep == sweep_id,
                    "busy": row.claimed_until is not None and row.claimed_until > self.now,
                    "attached": row.attached,
                    "answer_missing": row.answer_missing,
                    "newer": sweep is not None
                    and row.state == "in_sync"
                    and (row.last_checked_at or LONG_AGO) > sweep.started_at,
                    "waiting": row.failures > 0 and row.state != "missing" and waits,
                }
            )
        return found

    def mark_seen(self, sweep_id: int, seen: Sequence[UUID], in_sync: Sequence[UUID]) -> Rows:
        for one in seen:
            if (row := self.webhooks.get(one)) is None:
                continue
            well = one in in_sync and row.state == "in_sync" and row.claimed_until is None
            at = self.now if well else row.last_checked_at
            self.update(row, seen_sweep=max(row.seen_sweep, sweep_id), last_checked_at=at)
        return []

    def record_drift(self, entries: Sequence[Mapping[str, Any]]) -> Rows:
        for entry in entries:
            row = self.held(UUID(entry["id"]), entry["claim"])
            if row is None or not self.free(row):
                continue
            self.update(
                row,
                state=entry["state"],
                drift=tuple(entry["drift"]),
                last_error=entry["error"],
                problem=entry["problem"],
                last_checked_at=self.now,
            )
        return []

    def make_due(self, ids: Sequence[UUID], by: str | None, source: str | None) -> Rows:
        for one in ids:
            row = self.webhooks.get(one)
            if row is None or not self.free(row):
                continue
            order = {"ordered_by": by or row.ordered_by, "ordered_from": source or row.ordered_from}
            self.update(row, next_attempt_at=self.now, **order)
        return []

    def find_unseen(self, sweep_id: int) -> Rows:
        sweep = self.sweeps.get(sweep_id)
        unseen = [
            (row.last_checked_at or LONG_AGO, number.created_at, row)
            for number, row in self.registered()
            if sweep is not None
            and row.seen_sweep < sweep_id
            and number.created_at < sweep.started_at
            and row.state not in ("missing", "pending")
        ]
        unseen.sort(key=lambda one: one[:2])
        return [
            {"id": row.phone_number_id, "paused": row.state == "paused"} for _, _, row in unseen
        ]

    def outcomes(self, ids: Sequence[UUID]) -> Rows:
        rows = [self.webhooks[one] for one in ids if one in self.webhooks]
        return [
            {"id": row.phone_number_id, "state": row.state, "busy": self.is_busy(row)}
            for row in rows
        ]

    def is_busy(self, row: WebhookRow) -> bool:
        due = row.next_attempt_at is not None and row.next_attempt_at <= self.now
        return due or (row.claimed_until is not None and row.claimed_until > self.now)

    def list_missing(self, sweep_id: int) -> Rows:
        return [
            {
                "id": number.id,
                "number": number.number,
                "label": number.label,
                "vapi_phone_number_id": number.vapi_phone_number_id,
                "organization": self.name_of(number.organization_id),
                "is_back": False,
            }
            for number, row in sorted(
                self.registered(),
                key=lambda one: (one[0].number or one[0].vapi_phone_number_id, one[0].id),
            )
            if row.state == "missing" and row.seen_sweep < sweep_id
        ]

    def find_unlisted(self, ids: Sequence[UUID]) -> Rows:
        known = {number.id: (number, row) for number, row in self.registered()}
        return [
            {
                "id": one,
                "vapi_phone_number_id": known[one][0].vapi_phone_number_id,
                "claim": known[one][1].claim,
            }
            for one in ids
            if one in known
        ]

    def record_missing(self, phone_number_id: UUID, claim: int, error: str) -> Rows:
        row = self.held(phone_number_id, claim)
        if row is not None and self.free(row):
            told = {"state": "missing", "drift": (), "problem": "missing"}
            self.update(row, **told, last_error=error, last_checked_at=self.now)
        return []

    def name_of(self, organization_id: UUID | None) -> str | None:
        entry = self.tables.entries.get(organization_id) if organization_id else None
        return entry.organization.name if entry else None

    def record_answers(self, facts: Sequence[Mapping[str, Any]]) -> Rows:
        for fact in facts:
            row = self.webhooks.get(UUID(str(fact["phone_number_id"])))
            if row is not None:
                self.update(row, attached=fact["attached"], answer_missing=fact["missing"])
        return []

    def any_missing(self) -> Rows:
        return one_row(found=any(row.state == "missing" for row in self.webhooks.values()))

    def note_successors(self, *_: object) -> Rows:
        """Vapi gives no number of a seed out again."""
        return []


class ReconcileRules(SweepRules):
    """All statements: also those of `state` and of the budget."""

    def get_whole(self) -> Rows:
        whole = self.whole
        sweeping = None if whole.claimed_until is None else whole.claimed_until > self.now
        names = "next_sweep_at", "held", "key_refused_at", "key_fingerprint", "key_retry_at"
        pause = dict.fromkeys(("paused_at", "paused_by", "paused_reason", "paused_until"))
        told = {name: getattr(whole, name) for name in names}
        return [told | pause | {"paused": False, "sweeping": sweeping}]

    def claim_sweep(self, seconds: float) -> Rows:
        whole = self.whole
        taken = whole.claimed_until is not None and whole.claimed_until >= self.now
        if whole.next_sweep_at > self.now or taken:
            return []
        self.update_whole(claim=whole.claim + 1, claimed_until=self.later(seconds))
        return one_row(claim=whole.claim + 1)

    def extend_lease(self, claim: int, seconds: float) -> Rows:
        if self.whole.claim != claim or self.whole.claimed_until is None:
            return []
        self.update_whole(claimed_until=self.later(seconds))
        return TRUE

    def end_sweep(self, claim: int, next_in: float) -> Rows:
        if self.whole.claim == claim:
            self.update_whole(claimed_until=None, next_sweep_at=self.later(next_in))
        return []

    def seconds_to_sweep(self) -> Rows:
        whole = self.whole
        at = max(whole.next_sweep_at, whole.claimed_until or whole.next_sweep_at)
        return one_row(seconds=self.seconds_to(at))

    def set_held(self, report: Mapping[str, Any] | None) -> Rows:
        self.update_whole(held=report)
        return []

    def refuse_key(self, key: str, retry_in: float) -> Rows:
        whole = self.whole
        since = whole.key_refused_at if whole.key_fingerprint == key else None
        retry_at = self.later(retry_in)
        self.update_whole(
            key_refused_at=since or self.now, key_fingerprint=key, key_retry_at=retry_at
        )
        return []

    def accept_key(self) -> Rows:
        if self.whole.key_refused_at is None:
            return []
        self.update_whole(key_refused_at=None, key_fingerprint=None, key_retry_at=None)
        return TRUE

    def try_key(self, key: str, retry_in: float) -> Rows:
        whole = self.whole
        if whole.key_refused_at is None:
            return []
        due = whole.key_retry_at is not None and whole.key_retry_at <= self.now
        if whole.key_fingerprint == key and not due:
            return []
        self.update_whole(key_retry_at=self.later(retry_in))
        return TRUE

    def read_budget(self) -> Rows:
        row = self.tables.budget[0]
        now = self.now.timestamp()
        return one_row(state=dict(row.state), version=row.version, all_at=row.all_at, now=now)

    def write_budget(self, state: Mapping[str, Any], all_at: float, version: int) -> Rows:
        if self.tables.budget[0].version != version:
            return []
        self.tables.put(self.tables.budget, 0, BudgetRow(state, all_at, version + 1))
        return TRUE
