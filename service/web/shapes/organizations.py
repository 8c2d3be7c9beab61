"""The shapes of organizations, their entitlements, their call handling, and their list."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field

from policies.entitlements import PlanLimits, PlanStatus, SubscriptionPlan
from service.admin.organizations.organizations import organization_version
from service.admin.organizations.search import OrganizationQuery
from service.domain.decisions import Decision
from service.domain.organizations import Organization as StoredOrganization
from service.domain.relay.messages import RelayState
from service.store.organizations.search import Filters, PlanFilter, Position, Sort, TrialFilter
from service.web.shapes.bodies import PatchBody, RequestBody, ResponseBody
from service.web.shapes.fields import (
    E164,
    Attributes,
    Fallback,
    Instant,
    Language,
    Name,
    Searched,
    SearchedSlug,
    Sentence,
    Slug,
    Spoken,
    TimeZone,
    Truth,
    Url,
    VapiId,
    number,
    whole,
)
from service.web.shapes.paging import (
    PageQuery,
    QueryParameters,
    place_in_time,
    read_cursor,
    write_cursor,
)

KeptDays = Annotated[int, Field(ge=1, le=365), BeforeValidator(whole)]
MaxDuration = Annotated[int, Field(ge=10, le=43_200), BeforeValidator(whole)]


AssistantIds = Annotated[list[VapiId], Field(max_length=1000)]


class HandlingBody(RequestBody):
    """Call handling. The defaults change nothing; a change keeps the fields that it omits."""

    ring_gate: bool | None = None
    goodbye: bool = False
    when_access_ends: Literal["finish", "hang_up"] = "finish"
    decision_metadata: bool = False
    take_events: bool = False
    max_duration_seconds: MaxDuration | None = None
    transfer_when_down: E164 | None = None
    language: Language | None = None
    relay_fallback: Fallback | None = None
    keep_transcripts_days: KeptDays | None = None


class BlockedMessageBody(RequestBody):
    text: Spoken
    reason: Slug | None = None
    language: Language | None = None


BlockedMessages = Annotated[list[BlockedMessageBody], Field(max_length=200)]


class OrganizationBody(RequestBody):
    name: Name
    external_id: Name | None = None
    blocked_message: Spoken | None = None
    forward_url: Url | None = None
    attributes: Attributes = Field(default_factory=dict)
    assistant_ids: AssistantIds = Field(default_factory=list)
    handling: HandlingBody = Field(default_factory=HandlingBody)
    blocked_messages: BlockedMessages = Field(default_factory=list)
    time_zone: TimeZone | None = None


class OrganizationPatch(PatchBody):
    name: Name = ""
    external_id: Name | None = None
    blocked_message: Spoken | None = None
    forward_url: Url | None = None
    attributes: Attributes = Field(default_factory=dict)
    assistant_ids: AssistantIds = Field(default_factory=list)
    handling: HandlingBody = Field(default_factory=HandlingBody)
    blocked_messages: BlockedMessages = Field(default_factory=list)
    time_zone: TimeZone | None = None


Amount = Annotated[float, Field(ge=0, le=1e12), BeforeValidator(number)]
Count = Annotated[int, Field(ge=0, le=1_000_000), BeforeValidator(whole)]


class PlanLimitsBody(RequestBody):
    """What the plan includes in one period; a limit that is absent is unlimited."""

    minutes: Amount | None = None
    concurrent_calls: Count | None = None
    cost: Amount | None = None


class PlanBody(RequestBody):
    code: Slug
    status: PlanStatus
    current_period_end: Instant | None = None
    grace_period_end: Instant | None = None
    cancel_at_period_end: bool = False
    limits: PlanLimitsBody | None = None
    as_of: Instant | None = None

    @property
    def plan(self) -> SubscriptionPlan:
        """The plan that the body states."""
        limits = None if self.limits is None else PlanLimits(**self.limits.model_dump())
        return SubscriptionPlan(**{**self.model_dump(), "limits": limits})


class TrialBody(RequestBody):
    starts_at: Instant | None = None
    ends_at: Instant


class OverrideBody(RequestBody):
    effect: Literal["allow", "deny"]
    reason: Sentence
    starts_at: Instant | None = None
    expires_at: Instant | None = None


def is_absent(value: object) -> bool:
    return value is None


class PlanLimitsShape(ResponseBody):
    """The limits that were given."""

    minutes: float | None = Field(default=None, exclude_if=is_absent)
    concurrent_calls: int | None = Field(default=None, exclude_if=is_absent)
    cost: float | None = Field(default=None, exclude_if=is_absent)


class Plan(ResponseBody):
    code: str
    status: PlanStatus
    current_period_end: Instant | None
    grace_period_end: Instant | None
    cancel_at_period_end: bool
    limits: PlanLimitsShape | None
    as_of: Instant | None


class Trial(ResponseBody):
    starts_at: Instant
    ends_at: Instant


class Override(ResponseBody):
    effect: Literal["allow", "deny"]
    reason: str
    author: str
    starts_at: Instant | None
    expires_at: Instant | None


class Access(ResponseBody):
    allowed: bool
    policy: str | None
    reason: str


class Handling(ResponseBody):
    ring_gate: bool | None
    goodbye: bool
    when_access_ends: Literal["finish", "hang_up"]
    decision_metadata: bool
    take_events: bool
    max_duration_seconds: int | None
    transfer_when_down: str | None
    language: str | None
    relay_fallback: dict[str, Any] | None
    keep_transcripts_days: int | None


class BlockedMessage(ResponseBody):
    text: str
    reason: str | None
    language: str | None


class Organization(ResponseBody):
    id: UUID
    name: str
    external_id: str | None
    blocked_message: str | None
    forward_url: str | None
    attributes: dict[str, Any]
    assistant_ids: list[str]
    handling: Handling
    blocked_messages: list[BlockedMessage]
    time_zone: str | None
    plan: Plan | None
    trial: Trial | None
    override: Override | None
    access: Access
    created_at: Instant
    updated_at: Instant


class RemovalQuery(QueryParameters):
    """`as_of` is when the billing system removed the plan; an older one is refused."""

    as_of: Instant | None = None


class OrganizationsQuery(PageQuery):
    """Filters. `external_id` is exact; `query` is a part of the name or the external id, a full id or
    a phone number. The policy chain decides `allowed` and `reason`. `override`: one that has not
    expired; `numbers`: any; `relay`: how its own server takes its messages.
    """

    query: Searched | None = None
    external_id: Searched | None = None
    allowed: Truth | None = None
    reason: SearchedSlug | None = None
    trial: TrialFilter | None = None
    override: Truth | None = None
    numbers: Truth | None = None
    plan_status: PlanFilter | None = None
    relay: RelayState | None = None
    sort: Sort = "name"

    @property
    def wanted(self) -> OrganizationQuery:
        """The filters of the use case."""
        return OrganizationQuery(
            Filters(
                self.query,
                trial=self.trial,
                override=self.override,
                numbers=self.numbers,
                plan_status=self.plan_status,
                relay=self.relay,
            ),
            self.allowed,
            self.reason,
            self.sort,
            self.external_id,
        )


def read_position(cursor: str | None, sort: Sort) -> Position | None:
    """The place after which the list goes on. An empty value stands for a missing end."""
    if sort.endswith("name"):
        found = read_cursor(cursor, str, UUID)
    else:
        found = read_cursor(cursor, lambda text: place_in_time(text) if text else None, UUID)
    return None if found is None else (found[0], found[1])


def write_position(position: Position | None) -> str | None:
    """The cursor of a place."""
    if position is None:
        return None
    value, organization_id = position
    text = value.isoformat() if isinstance(value, datetime) else value or ""
    return write_cursor(text, organization_id)


def organization_shape(organization: StoredOrganization, decision: Decision) -> Organization:
    """An organization with its access now."""
    access = Access(allowed=decision.allowed, policy=decision.determined_by, reason=decision.reason)
    values = {
        name: getattr(organization, name) for name in Organization.model_fields if name != "access"
    }
    shape = Organization.model_validate(
        {
            **values,
            "assistant_ids": list(organization.assistant_ids),
            "blocked_messages": list(organization.blocked_messages),
            "access": access,
        }
    )
    return shape.in_version(organization_version(organization))
