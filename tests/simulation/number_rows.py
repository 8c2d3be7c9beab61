"""The rows of the model of PostgreSQL about numbers' webhooks: what `service.store.reconcile` keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class NumberRow:
    """A row of `callgate.phone_numbers`."""

    id: UUID
    organization_id: UUID | None
    vapi_phone_number_id: str
    gate: str
    created_at: datetime
    number: str | None = None
    label: str | None = None
    answer_with: Mapping[str, Any] | None = None
    released_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """A row of `callgate.webhook_states`; its pauses are not modelled."""

    phone_number_id: UUID
    next_attempt_at: datetime | None
    state: str = "pending"
    level: str = "phone_number"
    drift: tuple[Mapping[str, Any], ...] = ()
    original: Mapping[str, Any] | None = None
    last_applied: Mapping[str, Any] | None = None
    last_checked_at: datetime | None = None
    last_error: str | None = None
    problem: str | None = None
    failures: int = 0
    claim: int = 0
    claimed_until: datetime | None = None
    ordered_by: str | None = None
    ordered_from: str | None = None
    settled_at: datetime | None = None
    seen_sweep: int = 0
    vapi_org_id: str | None = None
    assistant_ids: tuple[str, ...] = ()
    watched: bool = False
    wakes: int = 0
    ring_texts: tuple[str, ...] = ()
    ring_on: bool = False
    fallback_numbers: tuple[str, ...] = ()
    unbound: Mapping[str, Any] | None = None
    attached: bool | None = None
    answer_missing: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A row of `callgate.webhook_changes`."""

    id: int
    phone_number_id: UUID
    at: datetime
    level: str
    vapi_id: str
    cause: str
    actor: str
    source: str
    fields: tuple[Mapping[str, Any], ...]
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    applied_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SweepRow:
    """A row of `callgate.sweeps`."""

    id: int
    started_at: datetime
    started_by: str
    dry_run: bool
    registered: int
    seen: int = 0
    outcome: str = "running"
    figures: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReconciliationRow:
    """The row of `callgate.reconciliation`; a pause of everything is not modelled."""

    next_sweep_at: datetime
    claim: int = 0
    claimed_until: datetime | None = None
    held: Mapping[str, Any] | None = None
    key_refused_at: datetime | None = None
    key_fingerprint: str | None = None
    key_retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """The row of `callgate.vapi_budget`; `all_at` is `next_request_at` in seconds."""

    state: Mapping[str, Any] = field(default_factory=dict)
    all_at: float = float("-inf")
    version: int = 0
