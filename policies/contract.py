"""The contract of a policy: frozen facts in, a verdict out. No I/O here."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, Protocol, runtime_checkable
from uuid import UUID

API_VERSION = 1
"""The version of this surface. A policy may say with `api_version` which one it was written for."""

OnFailure = Literal["abstain", "allow", "deny"]
PlanStatus = Literal[
    "active",
    "trialing",
    "past_due",
    "unpaid",
    "canceled",
    "paused",
    "incomplete",
    "incomplete_expired",
]
"""Stripe's words for the state of a subscription."""

Purpose = Literal["call", "predial", "preview", "list", "ring_gate"]
"""Why a policy is asked. `call`: a call is decided. `predial`: a campaign asks before it dials.
`preview`: an admin or a command explains. `list`: organizations are listed with their access.
`ring_gate`: whether Vapi itself should block the inbound calls of a number, and whether calls under way
go on."""

Direction = Literal["inbound", "outbound", "web"]

RENEWAL_GRACE = timedelta(hours=72)
"""The default of CALLGATE_RENEWAL_GRACE."""


class Effect(StrEnum):
    """The answer of a policy, and finally of the chain, on a call."""

    ALLOW = "allow"
    DENY = "deny"
    ABSTAIN = "abstain"


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """What a plan includes in one period; None is unlimited. `cost` is in the currency of Vapi."""

    minutes: float | None = None
    concurrent_calls: int | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionPlan:
    """The plan that an organization pays for. Instants are aware; an end is exclusive.

    `code` is the seller's name of the plan and means nothing to the built-in policies. `as_of` is
    when the billing system made this state.
    """

    code: str
    status: PlanStatus
    current_period_end: datetime | None = None
    grace_period_end: datetime | None = None
    cancel_at_period_end: bool = False
    limits: PlanLimits | None = None
    as_of: datetime | None = None

    @property
    def renews(self) -> bool:
        """Whether the seller expects another period after this one."""
        return self.status in ("active", "trialing") and not self.cancel_at_period_end

    def grace_ends_at(self, renewal_grace: timedelta) -> datetime | None:
        """When the grace ends; None: there is none.

        A given `grace_period_end` wins. Without one, a plan that renews goes on for `renewal_grace`
        after its period, since billing systems report a renewal late.
        """
        paid_until = self.current_period_end
        if self.grace_period_end is not None or paid_until is None or not self.renews:
            return self.grace_period_end
        return paid_until + renewal_grace


@dataclass(frozen=True, slots=True)
class Trial:
    """A period in which an organization may call without a plan: `starts_at` until `ends_at`."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Override:
    """An admin's exception, with its author and reason; in force from `starts_at` to `expires_at`.

    An absent instant leaves that side open.
    """

    effect: Literal["allow", "deny"]
    reason: str
    author: str
    starts_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrganizationFacts:
    """The tenant of the call. `attributes` are the agency's own and read-only here."""

    id: UUID
    name: str
    external_id: str | None = None
    attributes: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class PhoneNumberFacts:
    """The registered number that the call came through."""

    id: UUID
    vapi_phone_number_id: str
    number: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class CallFacts:
    """The facts of the call at its first message. Every field but the id may be absent.

    `type` is Vapi's word: `inboundPhoneCall`, `outboundPhoneCall`, `webCall`, … `caller_number`
    is who calls and `called_number` who is called: of an outbound call the organization's number
    calls. What the network claims of a caller can be forged, so never decide for a tenant by it alone.
    `message` is the type of the message that is judged, such as `assistant-request`.
    """

    vapi_call_id: str
    type: str | None = None
    caller_number: str | None = None
    assistant_id: str | None = None
    direction: Direction | None = None
    called_number: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class UsageFacts:
    """What the organization uses now, whatever the request's `at`.

    `live_calls` are granted calls under way, without the one that is asked about. `calls_today` are
    granted calls of its day. `seconds` and `cost` (in the currency of Vapi) are those of all calls that
    began in the period from `period_start` to before `period_end`: the plan's month, else the calendar
    month. Of calls under way they are not known yet.
    """

    live_calls: int
    calls_today: int
    seconds: float
    cost: float
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """The question put to every policy: may this organization have a call at `at`?

    `at` comes from the database's clock. `phone_number` and `call` are absent when an admin asks
    about an organization as a whole. `renewal_grace` is the operator's CALLGATE_RENEWAL_GRACE.
    `settings` is an instance of the policy's own `settings` model; None without one.
    `usage` is absent while it is unknown, as after a start without PostgreSQL, and for a past period.
    """

    at: datetime
    organization: OrganizationFacts
    plan: SubscriptionPlan | None = None
    trial: Trial | None = None
    override: Override | None = None
    phone_number: PhoneNumberFacts | None = None
    call: CallFacts | None = None
    renewal_grace: timedelta = RENEWAL_GRACE
    purpose: Purpose = "call"
    settings: Any = None
    usage: UsageFacts | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """One policy's answer. Build it with `allow`, `deny` or `abstain`.

    `until`: the policy may answer differently from then on, so it is asked again: for the ring gate,
    for calls under way, and in the upcoming changes that admins see. `warning` is for operators (what
    will soon be refused), `note` for who reads the trace (what was counted). Both are plain text of at
    most 200 characters, kept with the decision; no caller hears them.
    """

    effect: Effect
    reason: str | None = None
    until: datetime | None = None
    warning: str | None = None
    note: str | None = None


def allow(
    reason: str,
    *,
    until: datetime | None = None,
    warning: str | None = None,
    note: str | None = None,
) -> Verdict:
    """Grant the call. `reason` is a slug such as `plan_active`, kept with the decision."""
    return Verdict(Effect.ALLOW, reason, until, warning, note)


def deny(
    reason: str,
    *,
    until: datetime | None = None,
    warning: str | None = None,
    note: str | None = None,
) -> Verdict:
    """Refuse the call. `reason` is a slug such as `too_many_calls`, kept with the decision."""
    return Verdict(Effect.DENY, reason, until, warning, note)


def abstain(
    reason: str | None = None,
    *,
    until: datetime | None = None,
    warning: str | None = None,
    note: str | None = None,
) -> Verdict:
    """Leave the decision to the others.

    Give a `reason` when you could have granted and could not (`trial_expired`): if no policy decides,
    the first such reason in the chain is the one the call is denied with.
    """
    return Verdict(Effect.ABSTAIN, reason, until, warning, note)


@dataclass(frozen=True, slots=True)
class AppliesTo:
    """What a policy is asked about; a set that is None means everything.

    `call_types` are Vapi's words. The ring gate is about inbound calls; where the type of a call is
    not known, the policy is asked. `messages` are types of messages that are judged.
    """

    call_types: frozenset[str] | None = None
    messages: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """What a policy gets when the service starts. `settings` is an instance of its `settings` model,
    read from the environment; None without one."""

    name: str
    settings: Any = None


@runtime_checkable
class AccessPolicy(Protocol):
    """An object that a plugin registers once and the host asks for every new call.

    `name` is a slug, unique in the chain. `order` sorts the chain, smaller first, ties by name;
    the built-in policies are at 0 (`admin_override`), 100 (`plan`) and 200 (`trial`).

    Optional attributes, with what the host assumes without them:

    - `on_failure` (`"abstain"`): the effect when `evaluate` raises, is late or returns no verdict.
    - `timeout_seconds` (0.5, at most 2): how long an answer may take.
    - `pure` (`False`): `evaluate` is a plain function that only computes, in well under a
      millisecond. The host then calls it in place instead of in a thread.
    - `veto` (`False`): the policy is evaluated before all without a veto, regardless of its
      `order`, and a denial among the vetoes wins over every grant.
    - `applies_to` (everything): an `AppliesTo`; the policy is skipped for all else.
    - `settings` (none): a pydantic model. Its values come from the environment, as
      CALLGATE_POLICY_<NAME>_<FIELD>, and under them from the organization's own; they reach
      `evaluate` as `request.settings`. While a required value is missing, the policy sleeps.
    - `opt_in` (`False`): the policy sleeps until an organization has a choice of its own for it, a mode
      or settings, and is asked for such organizations only.
    - `start(context)` and `stop()`, plain or `async`: called once around the service's life, within
      ten and three seconds. A policy whose `start` fails is left out of the chain.
    - `api_version` (the present one): the `API_VERSION` that it was written for.
    """

    @property
    def name(self) -> str: ...

    @property
    def order(self) -> int: ...

    def evaluate(self, request: AccessRequest) -> Verdict | Awaitable[Verdict]: ...
