"""The shapes of the API around webhooks at Vapi: sweeps, routes, history, pauses."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints

from service.web.shapes.fields import Instant, Sentence, whole
from service.web.shapes.shapes import FieldDrift, Given, Pause, Taken

PlanName = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]


class ReconcileBody(Taken):
    dry_run: bool = False
    plan: PlanName | None = None


class PauseBody(Taken):
    reason: Sentence
    until: Instant | None = None


class RollbackBody(Taken):
    change_id: Annotated[int, Field(ge=1, le=2**53), BeforeValidator(whole)]


class Repair(Given):
    phone_number_id: UUID
    changes: list[FieldDrift]


class SweepReport(Given):
    """`repairs` are ours to make; `left` are not: shadowed, paused, or waiting for their time."""

    checked: int
    in_sync: int
    drifted: int
    repaired: int
    failed: int
    repairs: list[Repair]
    shadowed: int
    missing: int
    paused: int
    remaining: int
    left: list[Repair]
    limit: int
    dry_run: bool
    plan: str
    seconds: float


class Sweep(Given):
    started_at: Instant
    finished_at: Instant | None
    started_by: str
    dry_run: bool
    outcome: Literal["running", "done", "held", "failed"]
    registered: int
    seen: int
    figures: dict[str, Any]
    error: str | None


class Standing(Given):
    mode: Literal["enforce", "observe"]
    pause: Pause | None
    held: dict[str, Any] | None
    key_refused_at: Instant | None
    next_sweep_at: Instant
    last_sweep: Sweep | None
    numbers: dict[str, int]
    fights: int
    releasing: int


class Listener(Given):
    level: Literal[
        "tool", "assistant", "squad", "squad_member", "workflow", "phone_number", "organization"
    ]
    vapi_id: str | None
    name: str | None
    url: str | None
    ours: bool
    events: Literal["assistant-request", "call events", "tool calls"]
    why: str


class Route(Given):
    answered_by: Literal["assistant", "squad", "workflow", "assistant_request"]
    reaches_us: bool
    listeners: list[Listener]
    shadows: list[Listener]
    remedy: str | None


class WebhookChange(Given):
    """What headers say is hidden, ours and everybody else's."""

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
