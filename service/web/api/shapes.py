"""The shapes of the admin API: what is taken, strictly, and what is given."""

import ipaddress
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)

# Control, bidi and zero-width characters forge lines and names; surrogates are no text at all.
SAFE = r"^[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+$"
LINE = re.compile(SAFE.replace(r"^", "", 1)[:-1])
MAX_ATTRIBUTES_BYTES = 16 * 1024


def visible(value: str) -> str:
    """Refuse what cannot be seen, and a text of nothing but spaces."""
    if not LINE.fullmatch(value):
        raise ValueError("contains control, bidirectional or invisible characters")
    if not value.strip():
        raise ValueError("is empty")
    return value


def storable(value: datetime) -> datetime:
    """An instant that survives every time zone and the database."""
    if not 1970 <= value.year <= 9000:
        raise ValueError("must lie between 1970 and 9000")
    return value.astimezone(UTC)


def in_utc(value: datetime) -> str:
    """RFC 3339 in UTC with a Z."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def storable_attributes(value: dict[str, Any]) -> dict[str, Any]:
    """A JSON object that PostgreSQL can keep, and small: it travels with every decision."""
    dumped = orjson.dumps(value)
    if len(dumped) > MAX_ATTRIBUTES_BYTES:
        raise ValueError(f"must not be larger than {MAX_ATTRIBUTES_BYTES} bytes")
    if b"\\u0000" in dumped:
        raise ValueError("must not contain null characters")
    return value


Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(visible)]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(visible)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(visible)]
VapiId = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]
Instant = Annotated[
    AwareDatetime, AfterValidator(storable), PlainSerializer(in_utc, return_type=str)
]
Attributes = Annotated[dict[str, Any], AfterValidator(storable_attributes)]
Slug = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(visible)]


class Taken(BaseModel):
    """A request body: strict types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Given(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class OrganizationBody(Taken):
    name: Name
    external_id: Name | None = None
    blocked_message: Sentence | None = None
    forward_url: Url | None = None
    attributes: Attributes = Field(default_factory=dict)
    assistant_ids: Annotated[list[VapiId], Field(max_length=1000)] = Field(default_factory=list)


class OrganizationPatch(Taken):
    name: Name = ""
    external_id: Name | None = None
    blocked_message: Sentence | None = None
    forward_url: Url | None = None
    attributes: Attributes = Field(default_factory=dict)
    assistant_ids: Annotated[list[VapiId], Field(max_length=1000)] = Field(default_factory=list)


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


class AnswerWith(Taken):
    """What answers a granted call: exactly one of the three, in Vapi's words."""

    assistantId: VapiId | None = None  # noqa: N815
    squadId: VapiId | None = None  # noqa: N815
    workflowId: VapiId | None = None  # noqa: N815
    assistantOverrides: Attributes | None = None  # noqa: N815

    @model_validator(mode="after")
    def exactly_one(self) -> "AnswerWith":
        if (
            sum(value is not None for value in (self.assistantId, self.squadId, self.workflowId))
            != 1
        ):
            raise ValueError("give exactly one of assistantId, squadId and workflowId")
        return self


class PhoneNumberBody(Taken):
    organization_id: UUID
    vapi_phone_number_id: VapiId
    label: Name | None = None
    gate: Literal["event", "request"] = "event"
    answer_with: AnswerWith | None = None


class PhoneNumberPatch(Taken):
    organization_id: UUID = UUID(int=0)
    label: Name | None = None
    gate: Literal["event", "request"] = "event"
    answer_with: AnswerWith | None = None


class TokenBody(Taken):
    name: Name
    role: Literal["viewer", "support", "admin"]
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


class Organization(Given):
    id: UUID
    name: str
    external_id: str | None
    blocked_message: str | None
    forward_url: str | None
    attributes: dict[str, Any]
    assistant_ids: list[str]
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


class PhoneNumber(Given):
    id: UUID
    organization_id: UUID
    vapi_phone_number_id: str
    number: str | None
    label: str | None
    gate: Literal["event", "request"]
    answer_with: dict[str, Any] | None
    sync: Sync
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


class Policy(Given):
    name: str
    order: int
    plugin: str
    version: str
    mode: str


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


class Token(Given):
    id: UUID
    name: str
    role: Literal["viewer", "support", "admin"]
    created_by: str
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None


class NewToken(Token):
    token: str


class Problem(BaseModel):
    """RFC 9457."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str = ""


def check_forward_url(url: str, relay_hosts: Sequence[str]) -> None:
    """Raise `ValueError` unless events may be sent there.

    https to a public name; what is private or on this machine only where the operator has listed
    its host (CALLGATE_RELAY_HOSTS).
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as exc:
        raise ValueError("forward_url is not a URL") from exc
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("forward_url must not carry a user name, a password or a fragment")
    if host and host in relay_hosts and parts.scheme in ("https", "http"):
        return
    if parts.scheme != "https" or not host or host == "localhost" or " " in url or "\\" in url:
        raise ValueError("forward_url must be an absolute https URL")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    if not address.is_global:
        raise ValueError("forward_url must not point to a private or loopback address")
