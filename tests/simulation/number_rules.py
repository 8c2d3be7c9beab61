"""The rules of passes over numbers: claims, results, changes and due numbers, on the model's tables.

Each method is one statement; `number_pool.py` names the statement. `test_reconcile_model.py` compares.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from service.store.reconcile.states import CHANNEL
from tests.simulation.number_rows import ChangeRow
from tests.simulation.number_tables import NumberTables, Rows, one_row, plain, rewritten

TRUE = one_row(true=True)


class PassRules(NumberTables):
    """The statements of `claims`, `changes` and `states`."""

    def claim(self, phone_number_id: UUID, seconds: float, due: bool) -> Rows:
        row, number = self.webhooks.get(phone_number_id), self.numbers.get(phone_number_id)
        if row is None or number is None or not self.free(row):
            return []
        if due and (row.next_attempt_at is None or row.next_attempt_at > self.now):
            return []
        self.update(row, claim=row.claim + 1, claimed_until=self.later(seconds))
        return [self.facts(number, self.webhooks[phone_number_id])]

    def renew(self, phone_number_id: UUID, claim: int, seconds: float) -> Rows:
        row = self.held(phone_number_id, claim)
        if row is None or row.claimed_until is None:
            return []
        self.update(row, claimed_until=self.later(seconds))
        return TRUE

    def unclaim(self, phone_number_id: UUID, claim: int) -> Rows:
        if row := self.held(phone_number_id, claim):
            self.update(row, claimed_until=None)
        return []

    def keep_original(self, phone_number_id: UUID, claim: int, original: Mapping[str, Any]) -> Rows:
        row = self.held(phone_number_id, claim)
        if row is not None and row.original is None:
            self.update(row, original=original)
        return []

    def watch(self, phone_number_id: UUID) -> Rows:
        if row := self.webhooks.get(phone_number_id):
            self.update(row, watched=True)
        return []

    def keep_gates(self, phone_number_id: UUID, claim: int, *given: Any) -> Rows:
        texts, ring_on, fallbacks, unbound = given
        row = self.held(phone_number_id, claim)
        if row is None:
            return []
        kept = {"ring_texts": tuple(texts), "fallback_numbers": tuple(fallbacks)}
        self.update(row, **kept, ring_on=ring_on, unbound=unbound)
        return TRUE

    def keep_answer(self, phone_number_id: UUID, answer_with: Mapping[str, Any]) -> Rows:
        number = self.numbers.get(phone_number_id)
        if number and number.answer_with is None and number.released_at is None:
            fresh = replace(number, answer_with=answer_with)
            self.tables.put(self.numbers, phone_number_id, fresh)
        return []

    def record_identity(
        self, phone_number_id: UUID, number: str | None, vapi_org_id: str | None
    ) -> Rows:
        row, known = self.webhooks.get(phone_number_id), self.numbers.get(phone_number_id)
        if row is not None and row.vapi_org_id != vapi_org_id:
            self.update(row, vapi_org_id=vapi_org_id)
        if known is not None and number is not None and known.number != number:
            self.tables.put(self.numbers, phone_number_id, replace(known, number=number))
        return []

    def record(self, phone_number_id: UUID, claim: int, *given: Any) -> Rows:
        state, level, drift, error, problem, failures, retry_in, checked, applied, wakes = given
        row = self.held(phone_number_id, claim)
        if row is None:
            return []
        due_at = None if retry_in is None else self.later(retry_in)
        well = state == "in_sync"
        done = well and row.wakes == wakes
        self.update(
            row,
            state=state,
            level=level,
            drift=tuple(drift),
            last_error=error,
            problem=problem,
            failures=failures,
            next_attempt_at=due_at if row.wakes == wakes else self.now,
            last_checked_at=self.now if checked else row.last_checked_at,
            last_applied=row.last_applied if applied is None else applied,
            ordered_by=None if done else row.ordered_by,
            ordered_from=None if done else row.ordered_from,
            claimed_until=None,
        )
        if well:
            self.confirm_arrived(phone_number_id, problem)
        return []

    def confirm_arrived(self, phone_number_id: UUID, problem: str | None) -> None:
        """A change that was under way is known to have arrived, unless it was made again."""
        for change in list(self.changes.values()):
            known = change.level == "assistant" or problem != "number_refused"
            if change.phone_number_id != phone_number_id or change.applied_at or not known:
                continue
            if not rewritten(change, self.changes.values()):
                self.confirm(change.id)

    def delete(self, phone_number_id: UUID, claim: int) -> Rows:
        number = self.numbers.get(phone_number_id)
        if number and number.released_at is not None and self.held(phone_number_id, claim):
            self.tables.put(self.numbers, phone_number_id, None)
            self.tables.put(self.webhooks, phone_number_id, None)
        return []

    def start_again(self, phone_number_id: UUID, claim: int) -> Rows:
        if row := self.held(phone_number_id, claim):
            self.update(row, claimed_until=None, next_attempt_at=self.now)
        return []

    def begin_change(self, phone_number_id: UUID, claim: int, *given: Any) -> Rows:
        if self.held(phone_number_id, claim) is None:
            return []
        level, vapi_id, cause, actor, source, fields, before, after, _urgent = given
        change_id, told = self.next_id("changes"), (tuple(fields), plain(before), plain(after))
        change = ChangeRow(
            change_id, phone_number_id, self.now, level, vapi_id, cause, actor, source, *told
        )
        self.tables.put(self.changes, change_id, change)
        return one_row(id=change_id)

    def confirm(self, change_id: int) -> Rows:
        if change := self.changes.get(change_id):
            self.tables.put(self.changes, change_id, replace(change, applied_at=self.now))
        return []

    def find_due(self, limit: int) -> Rows:
        due = [
            row
            for row in self.webhooks.values()
            if row.next_attempt_at is not None
            and row.next_attempt_at <= self.now
            and self.free(row)
        ]
        due.sort(key=lambda row: (not row.ring_on, row.next_attempt_at))
        return [{"phone_number_id": row.phone_number_id} for row in due[:limit]]

    def seconds_to_next(self) -> Rows:
        waiting = [
            max(row.next_attempt_at, row.claimed_until or row.next_attempt_at)
            for row in self.webhooks.values()
            if row.next_attempt_at is not None
        ]
        return one_row(seconds=self.seconds_to(min(waiting)) if waiting else None)

    def find_sync(self, phone_number_id: UUID) -> Rows:
        row = self.webhooks.get(phone_number_id)
        if row is None:
            return []
        names = "state", "level", "drift", "last_checked_at", "last_error", "next_attempt_at"
        return [{name: getattr(row, name) for name in names}]

    def wake(self) -> Rows:
        """Every listener checks for due numbers."""
        self.tables.notify(CHANNEL)
        return []

    def wake_unauthorized(self) -> Rows:
        for row in list(self.webhooks.values()):
            if row.problem == "unauthorized":
                self.update(row, next_attempt_at=self.now)
        return []
