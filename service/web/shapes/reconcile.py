"""The shapes of reconciling: sweeps, routes, changes at Vapi, pauses."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints

from service.admin.reconcile.sweeps import ReconcileStatus
from service.reconcile.steps.webhook_fields import masked
from service.store.reconcile.changes import WebhookChange as StoredChange
from service.web.shapes.bodies import RequestBody, ResponseBody
from service.web.shapes.fields import Instant, Sentence, whole
from service.web.shapes.phone_numbers import FieldDrift, Pause

PlanName = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]


class ReconcileBody(RequestBody):
    dry_run: bool = False
    plan: PlanName | None = None


class PauseBody(RequestBody):
    reason: Sentence
    until: Instant | None = None


class RollbackBody(RequestBody):
    change_id: Annotated[int, Field(ge=1, le=2**53), BeforeValidator(whole)]


class Repair(ResponseBody):
    phone_number_id: UUID
    changes: list[FieldDrift]


class MissingNumber(ResponseBody):
    phone_number_id: UUID
    number: str | None
    label: str | None
    vapi_phone_number_id: str
    organization: str | None
    remedy: str


class SweepReport(ResponseBody):
    """The result of a sweep. `repairs` are due; `left` are not: shadowed, paused, or due later.
    `missing_numbers` are registered here and not at Vapi; they, `unread` ones, and repairs that failed
    add up to `failed`.

    `incomplete` says why Vapi's lists are: then `unknown` numbers, which they do not show, keep their
    state. `malformed` elements of the lists could not be read.
    """

    checked: int
    in_sync: int
    drifted: int
    repaired: int
    failed: int
    repairs: list[Repair]
    shadowed: int
    missing: int
    missing_numbers: list[MissingNumber]
    unread: int
    paused: int
    remaining: int
    unknown: int
    malformed: int
    incomplete: str | None
    left: list[Repair]
    limit: int
    dry_run: bool
    plan: str
    seconds: float


class Sweep(ResponseBody):
    started_at: Instant
    finished_at: Instant | None
    started_by: str
    dry_run: bool
    outcome: Literal["running", "done", "incomplete", "held", "failed"]
    registered: int
    seen: int
    figures: dict[str, Any]
    error: str | None


class Standing(ResponseBody):
    """The ETag is that of `pause`."""

    has_tag = True

    mode: Literal["enforce", "observe"]
    pause: Pause | None
    held: dict[str, Any] | None
    key_refused_at: Instant | None
    next_sweep_at: Instant
    last_sweep: Sweep | None
    numbers: dict[str, int]
    fights: int
    releasing: int


class Listener(ResponseBody):
    level: Literal[
        "tool", "assistant", "squad", "squad_member", "workflow", "phone_number", "organization"
    ]
    vapi_id: str | None
    name: str | None
    url: str | None
    ours: bool
    events: Literal["assistant-request", "call events", "tool calls"]
    why: str


class Route(ResponseBody):
    answered_by: Literal["assistant", "squad", "workflow", "assistant_request"]
    reaches_us: bool
    listeners: list[Listener]
    shadows: list[Listener]
    remedy: str | None


class WebhookChange(ResponseBody):
    """A change at Vapi. The values of all headers are masked."""

    id: int
    at: Instant
    level: Literal["phone_number", "assistant"]
    vapi_id: str
    cause: Literal[
        "added",
        "desired_changed",
        "access_changed",
        "drift",
        "secret_rotated",
        "released",
        "rolled_back",
    ]
    actor: str
    source: str
    fields: list[FieldDrift]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    applied_at: Instant | None


def standing_shape(standing: ReconcileStatus) -> Standing:
    return Standing.model_validate(standing).in_version(standing.version)


def change_shape(change: StoredChange) -> WebhookChange:
    """A change with masked headers."""
    values = asdict(change)
    del values["phone_number_id"]
    shown = {"before": masked_fields(change.before), "after": masked_fields(change.after)}
    return WebhookChange.model_validate({**values, **shown})


def masked_fields(kept: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The fields that were written, with masked headers."""
    if kept is None or "server" not in kept:
        return kept
    return {**kept, "server": masked(kept["server"])}
