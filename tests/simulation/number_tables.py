"""What all rules of numbers' webhooks share: the rows, and what PostgreSQL's triggers do with them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from service.store.reconcile.states import CHANNEL
from tests.simulation.number_rows import (
    BudgetRow,
    ChangeRow,
    NumberRow,
    ReconciliationRow,
    SweepRow,
    WebhookRow,
)
from tests.simulation.tables import Tables

Row = dict[str, Any]
Rows = list[Row]
HOUR = timedelta(hours=1)


@dataclass(eq=False)
class NumberTables:
    """The tables; an instant is that of the statement."""

    tables: Tables

    def __post_init__(self) -> None:
        if not self.tables.reconciliation:
            self.tables.reconciliation[0] = ReconciliationRow(self.now)
            self.tables.budget[0] = BudgetRow()

    @property
    def now(self) -> datetime:
        return self.tables.now()

    @property
    def numbers(self) -> dict[UUID, NumberRow]:
        return self.tables.numbers

    @property
    def webhooks(self) -> dict[UUID, WebhookRow]:
        return self.tables.webhooks

    @property
    def changes(self) -> dict[int, ChangeRow]:
        return self.tables.changes

    @property
    def sweeps(self) -> dict[int, SweepRow]:
        return self.tables.sweeps

    @property
    def whole(self) -> ReconciliationRow:
        """The one row about reconciling as a whole."""
        return self.tables.reconciliation[0]

    def later(self, seconds: float) -> datetime:
        return self.now + timedelta(seconds=seconds)

    def seconds_to(self, at: datetime | None) -> float | None:
        return None if at is None else (at - self.now).total_seconds()

    def free(self, row: WebhookRow) -> bool:
        """Whether no replica holds a lease on a number."""
        return row.claimed_until is None or row.claimed_until < self.now

    def held(self, phone_number_id: UUID, claim: int) -> WebhookRow | None:
        """The row, if this claim is its newest."""
        row = self.webhooks.get(phone_number_id)
        return row if row is not None and row.claim == claim else None

    def update(self, row: WebhookRow, **changes: Any) -> None:
        """Change a row. `next_attempt_at` among the changes: the triggers count and notify a wake-up."""
        fresh = replace(row, **changes)
        due_at = changes.get("next_attempt_at")
        due = due_at is not None and due_at <= self.now
        if due:
            fresh = replace(fresh, wakes=row.wakes + 1)
        self.tables.put(self.webhooks, row.phone_number_id, fresh)
        if due:
            self.tables.notify(CHANNEL)

    def update_whole(self, **changes: Any) -> None:
        self.tables.put(self.tables.reconciliation, 0, replace(self.whole, **changes))

    def next_id(self, sequence: str) -> int:
        self.tables.numbered[sequence] += 1
        return self.tables.numbered[sequence]

    def register(self, phone_number_id: UUID, owner: UUID, vapi_id: str, gate: str) -> None:
        """The rows that `service.store.phone_numbers` inserts."""
        number = NumberRow(phone_number_id, owner, vapi_id, gate, self.now)
        webhook = WebhookRow(number.id, self.now, ordered_by="ada", ordered_from="api")
        self.tables.put(self.numbers, number.id, number)
        self.tables.put(self.webhooks, number.id, webhook)
        self.tables.notify(CHANNEL)

    def release(self, phone_number_id: UUID) -> None:
        """An admin removes a number; its row stays until its former webhook is back."""
        number, row = self.numbers.get(phone_number_id), self.webhooks.get(phone_number_id)
        if number is None or row is None:
            return
        gone = replace(number, released_at=self.now, organization_id=None)
        self.tables.put(self.numbers, number.id, gone)
        self.update(
            row,
            state="pending",
            drift=(),
            last_error=None,
            problem=None,
            failures=0,
            next_attempt_at=self.now,
            ordered_by="ada",
            ordered_from="api",
            settled_at=self.now,
        )

    def registered(self) -> Iterable[tuple[NumberRow, WebhookRow]]:
        """The numbers that are not being released."""
        for number in list(self.numbers.values()):
            if number.released_at is None and number.id in self.webhooks:
                yield number, self.webhooks[number.id]

    def wake_watched(self, organization_id: UUID) -> None:
        """What the triggers do when the access of an organization changes."""
        for number, row in self.registered():
            if number.organization_id == organization_id and row.watched:
                self.update(row, next_attempt_at=self.now)

    def facts(self, number: NumberRow, row: WebhookRow) -> Row:
        """The columns that a claim and a sweep read of a number."""
        repaired = self.undone_repairs(row)
        fight_left = self.seconds_to(min(one.at for one in repaired) + HOUR) if repaired else None
        objects = Counter((one.vapi_id, "server" in (one.after or {})) for one in repaired)
        names = (
            "phone_number_id", "claim", "failures", "original", "level", "problem", "last_applied",
            "assistant_ids", "ordered_by", "ordered_from", "watched", "wakes", "ring_texts",
            "ring_on", "fallback_numbers", "unbound",
        )  # fmt: skip
        return {name: getattr(row, name) for name in names} | {
            "vapi_phone_number_id": number.vapi_phone_number_id,
            "released": number.released_at is not None,
            "organization_id": number.organization_id,
            "gate": number.gate,
            "answer_with": number.answer_with,
            "paused": False,
            "pause_left": None,
            "owned_assistants": [],
            "fights": max(objects.values(), default=0),
            "fight_left": fight_left,
        }

    def undone_repairs(self, row: WebhookRow) -> list[ChangeRow]:
        """The repairs of drift within the hour, since an admin last synced the number."""
        since = max(filter(None, (self.now - HOUR, row.settled_at)))
        return [
            one
            for one in self.changes.values()
            if one.phone_number_id == row.phone_number_id
            and one.cause == "drift"
            and one.applied_at is not None
            and one.at > since
        ]


def one_row(**columns: Any) -> Rows:
    return [columns]


def rewritten(change: ChangeRow, changes: Iterable[ChangeRow]) -> bool:
    """Whether a later change of the same object wrote a field of this one again."""
    fields = set(change.after or {})
    return any(
        one.phone_number_id == change.phone_number_id
        and one.id > change.id
        and one.vapi_id == change.vapi_id
        and fields & set(one.after or {})
        for one in changes
    )


def plain(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else dict(value)
