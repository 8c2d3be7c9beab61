"""The rows of the model of PostgreSQL, with a journal from which a failover loses the last commits."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from service.domain.call_records.details import CostParts
from service.domain.calls import CallKey
from service.domain.decisions import Decision
from service.store.organizations.directory import DirectoryEntry
from tests.simulation.number_rows import (
    BudgetRow,
    ChangeRow,
    NumberRow,
    ReconciliationRow,
    SweepRow,
    WebhookRow,
)

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class CallRow:
    """A row of `callgate.calls`."""

    vapi_call_id: str
    organization_id: UUID | None
    phone_number_id: UUID | None
    vapi_phone_number_id: str | None
    type: str | None
    status: str
    blocked: bool
    reason: str
    gate: str
    decision: Decision
    control_url: str | None
    hangup_state: str | None
    started_at: datetime | None
    ended_at: datetime | None
    ended_reason: str | None
    duration_seconds: float | None
    cost: Decimal | None
    goodbye: str | None
    missed: bool
    number: str | None
    end_proved: bool
    created_at: datetime
    updated_at: datetime
    hangup_attempts: int = 0
    hangup_accepted: bool = False
    hangup_rounds: int = 0
    hangup_due_at: datetime | None = None
    hangup_claimed_until: datetime | None = None
    quiet_until: datetime | None = None
    cut_at: datetime | None = None
    cut_reason: str | None = None
    lived_seconds: float | None = None
    owner_checked_at: datetime | None = None
    duration_claimed: bool = False
    cost_claimed: bool = False
    end_claimed_at: datetime | None = None
    corrected_at: datetime | None = None
    cost_parts: CostParts | None = None
    customer_number: str | None = None
    line_number: str | None = None
    assistant_id: str | None = None
    connected: bool | None = False
    doubts: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A row of `callgate.call_claims`."""

    vapi_call_id: str
    organization_id: UUID
    phone_number_id: UUID | None
    vapi_phone_number_id: str | None
    gate: str
    blocked: bool
    decision: Decision
    created_at: datetime
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobRow:
    """A waiting or running job of `callgate.pgqueuer`; a call has at most one."""

    vapi_call_id: str
    execute_after: datetime
    picked_by: str | None = None
    heartbeat: datetime | None = None
    attempts: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class WatchRow:
    """The row of `callgate.call_watch`."""

    claim: int
    seen_until: datetime
    next_look_at: datetime
    claimed_until: datetime | None = None


@dataclass(slots=True)
class Tables:
    """All tables. Rows are replaced, never changed, so that the journal can put old ones back."""

    now: Clock
    calls: dict[str, CallRow] = field(default_factory=dict)
    claims: dict[CallKey, ClaimRow] = field(default_factory=dict)
    jobs: dict[str, JobRow] = field(default_factory=dict)
    watch: dict[int, WatchRow] = field(default_factory=dict)
    entries: dict[UUID, DirectoryEntry] = field(default_factory=dict)
    numbers: dict[UUID, NumberRow] = field(default_factory=dict)
    webhooks: dict[UUID, WebhookRow] = field(default_factory=dict)
    changes: dict[int, ChangeRow] = field(default_factory=dict)
    sweeps: dict[int, SweepRow] = field(default_factory=dict)
    reconciliation: dict[int, ReconciliationRow] = field(default_factory=dict)
    budget: dict[int, BudgetRow] = field(default_factory=dict)
    numbered: Counter[str] = field(default_factory=Counter)
    """The last id that each sequence gave; no failover takes it back."""
    journal: list[tuple[datetime, dict[Any, Any], Any, Any]] = field(default_factory=list)
    replicas: tuple[UUID, ...] = ()
    """Those that are alive, as `callgate.relay_workers` says."""
    listeners: list[Callable[[str], None]] = field(default_factory=list)
    """Called with the channel of each notification."""

    def put(self, table: dict[Any, Any], key: object, row: object) -> None:
        """Insert or replace a row; None deletes it."""
        self.journal.append((self.now(), table, key, table.get(key)))
        if row is None:
            table.pop(key, None)
        else:
            table[key] = row

    def notify(self, channel: str) -> None:
        """Tell every listener; a listener of a broken connection hears nothing by itself."""
        for listener in list(self.listeners):
            listener(channel)

    def roll_back(self, lost: timedelta) -> set[str]:
        """Lose the commits of the last moments; returns the calls, and the ids of the numbers, whose
        rows changed by that."""
        since, harmed = self.now() - lost, set()
        while self.journal and self.journal[-1][0] > since:
            _, table, key, old = self.journal.pop()
            if table is self.entries:
                continue  # changes of admins are not what a failover loses here
            if table is self.calls or table is self.webhooks:
                harmed.add(str(key))
            if old is None:
                table.pop(key, None)
            else:
                table[key] = old
        return harmed


def begun_watch(now: datetime) -> Mapping[int, WatchRow]:
    """The only row of `callgate.call_watch`, as the migration inserts it."""
    return {0: WatchRow(0, now, now)}
