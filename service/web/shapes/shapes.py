"""The shapes of the admin API: what is taken, strictly, and what is given."""

from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

from service.domain.people import Scope
from service.web.shapes.fields import (
    Answer,
    Attributes,
    Id,
    Instant,
    Name,
    Sentence,
    Slug,
    Spoken,
    Url,
    VapiId,
    whole,
)

MaxDuration = Annotated[int, Field(ge=10, le=43_200), BeforeValidator(whole)]
E164 = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")]
AssistantIds = Annotated[list[VapiId], Field(max_length=1000)]


class Taken(BaseModel):
    """A request body: strict types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


def without_defaults(schema: dict[str, Any]) -> None:
    """What a change leaves out stays as it is: it has no default."""
    for part in schema["properties"].values():
        part.pop("default", None)


class TakenPart(Taken):
    """A change: only the fields that are sent count, whatever stands for the others here."""

    model_config = ConfigDict(json_schema_extra=without_defaults)


class Given(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class HandlingBody(Taken):
    """Choices that change nothing unless they are made; what a change leaves out stays."""

    ring_gate: bool | None = None
    goodbye: bool = False
    when_access_ends: Literal["finish", "hang_up"] = "finish"
    decision_metadata: bool = False
    take_events: bool = False
    max_duration_seconds: MaxDuration | None = None
    transfer_when_down: E164 | None = None
    language: Language | None = None


class BlockedMessageBody(Taken):
    text: Spoken
    reason: Slug | None = None
    language: Language | None = None


BlockedMessages = Annotated[list[BlockedMessageBody], Field(max_length=200)]


class OrganizationBody(Taken):
    name: Name
    external_id: Name | None = None
    blocked_message: Spoken | None = None
    forward_url: Url | None = None
    attributes: Attributes = Field(default_factory=dict)
    assistant_ids: AssistantIds = Field(default_factory=list)
    handling: HandlingBody = Field(default_factory=HandlingBody)
    blocked_messages: BlockedMessages = Field(default_factory=list)


class OrganizationPatch(TakenPart):
    name: Name = ""
    external_id: Name | None = None
    blocked_message: Spoken | None = None
    forward_url: Url | None = None
    attributes: Attributes = Field(default_factory=dict)
    assistant_ids: AssistantIds = Field(default_factory=list)
    handling: HandlingBody = Field(default_factory=HandlingBody)
    blocked_messages: BlockedMessages = Field(default_factory=list)


class PlanBody(Taken):
    code: Slug
    status: Literal["active", "past_due", "canceled", "paused"]
    current_period_end: Instant | None = None
    grace_period_end: Instant | None = None


class TrialBody(Taken):
    starts_at: Instant | None = None
    ends_at: Instant


class OverrideBody(Taken):
    effect: Literal["allow", "deny"]
    reason: Sentence
    starts_at: Instant | None = None
    expires_at: Instant | None = None


class PhoneNumberBody(Taken):
    organization_id: Id
    vapi_phone_number_id: VapiId
    label: Name | None = None
    gate: Literal["event", "request"] = "event"
    answer_with: Answer | None = None


class PhoneNumberPatch(TakenPart):
    organization_id: Id = UUID(int=0)
    label: Name | None = None
    gate: Literal["event", "request"] = "event"
    answer_with: Answer | None = None


class TokenBody(Taken):
    name: Name
    role: Literal["viewer", "support", "admin"]
    scopes: Annotated[list[Scope], Field(max_length=50)] = Field(default_factory=list)
    expires_at: Instant | None = None


class Plan(Given):
    code: str
    status: Literal["active", "past_due", "canceled", "paused"]
    current_period_end: Instant | None
    grace_period_end: Instant | None


class Trial(Given):
    starts_at: Instant
    ends_at: Instant


class Override(Given):
    effect: Literal["allow", "deny"]
    reason: str
    author: str
    starts_at: Instant | None
    expires_at: Instant | None


class Access(Given):
    allowed: bool
    policy: str | None
    reason: str


class Handling(Given):
    ring_gate: bool | None
    goodbye: bool
    when_access_ends: Literal["finish", "hang_up"]
    decision_metadata: bool
    take_events: bool
    max_duration_seconds: int | None
    transfer_when_down: str | None
    language: str | None


class BlockedMessage(Given):
    text: str
    reason: str | None
    language: str | None


class Organization(Given):
    id: UUID
    name: str
    external_id: str | None
    blocked_message: str | None
    forward_url: str | None
    attributes: dict[str, Any]
    assistant_ids: list[str]
    handling: Handling
    blocked_messages: list[BlockedMessage]
    plan: Plan | None
    trial: Trial | None
    override: Override | None
    access: Access
    created_at: Instant
    updated_at: Instant


class TraceEntry(Given):
    policy: str
    effect: Literal["allow", "deny", "abstain", "failed", "skipped"]
    reason: str | None
    counted_as: Literal["allow", "deny", "abstain"] | None
    duration_ms: float


class Decision(Given):
    id: UUID
    effect: Literal["allow", "deny", "abstain"]
    determined_by: str | None
    reason: str
    basis: Literal["fresh", "last_known_good"]
    trace: list[TraceEntry]


class AccessExplained(Decision):
    allowed: bool
    policy: str | None
    decided_at: Instant


class FieldDrift(Given):
    field: str
    desired: Any
    observed: Any


class Sync(Given):
    state: Literal["pending", "in_sync", "drifted", "shadowed", "missing", "failed", "paused"]
    level: Literal["phone_number", "assistant"]
    drift: list[FieldDrift]
    last_checked_at: Instant | None
    last_error: str | None
    next_attempt_at: Instant | None


class Pause(Given):
    at: Instant
    by: str
    reason: str
    until: Instant | None


class Conditions(Given):
    configured: bool | None
    unshadowed: bool | None
    last_event_at: Instant | None


class PhoneNumber(Given):
    id: UUID
    organization_id: UUID
    vapi_phone_number_id: str
    number: str | None
    label: str | None
    gate: Literal["event", "request"]
    answer_with: dict[str, Any] | None
    sync: Sync
    pause: Pause | None
    conditions: Conditions
    created_at: Instant
    updated_at: Instant


class Hangup(Given):
    state: Literal["pending", "confirmed", "unconfirmed", "failed"]
    attempts: int


class Call(Given):
    id: UUID
    vapi_call_id: str
    organization_id: UUID | None
    phone_number_id: UUID | None
    type: str | None
    status: Literal["in-progress", "ended", "failed"]
    blocked: bool
    reason: str
    gate: Literal["request", "event", "ring"]
    hangup: Hangup | None
    decision: Decision
    started_at: Instant | None
    ended_at: Instant | None
    ended_reason: str | None
    duration_seconds: float | None
    cost: Annotated[Decimal, PlainSerializer(float, return_type=float)] | None
    lived_seconds: float | None
    cut_at: Instant | None
    cut_reason: str | None
    missed: bool


class CallEvent(Given):
    at: Instant
    kind: str
    detail: dict[str, Any]


class PolicyHealth(Given):
    asked: int
    allowed: int
    denied: int
    abstained: int
    failed: int
    late: int
    suspended: bool
    last_failure: str | None
    last_failed_at: Instant | None
    p50_ms: float | None
    p95_ms: float | None


class Policy(Given):
    name: str
    order: int
    plugin: str
    version: str
    mode: str
    veto: bool
    on_failure: Literal["abstain", "allow", "deny"]
    timeout_seconds: float
    health: PolicyHealth


class PluginProblem(Given):
    plugin: str
    version: str
    message: str


class AuditEntry(Given):
    id: int
    at: Instant
    actor: str
    source: str
    action: str
    object_type: str
    object_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    undoes: int | None
    undone_by: int | None


class Token(Given):
    id: UUID
    name: str
    role: Literal["viewer", "support", "admin"]
    scopes: list[Scope]
    created_by: str
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None
    last_used_at: Instant | None


class NewToken(Token):
    token: str


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457; `code` is stable."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    errors: list[Fault] | None = None
