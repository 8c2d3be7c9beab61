"""The contract of a policy: frozen facts in, a verdict out. No I/O here."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, Protocol, runtime_checkable
from uuid import UUID

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
    is what the network claims; a caller can forge it, so never decide for a tenant by it alone.
    """

    vapi_call_id: str
    type: str | None = None
    caller_number: str | None = None
    assistant_id: str | None = None


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """The question put to every policy: may this organization have a call at `at`?

    `at` comes from the database's clock. `phone_number` and `call` are absent when an admin asks
    about an organization as a whole. `renewal_grace` is the operator's CALLGATE_RENEWAL_GRACE.
    """

    at: datetime
    organization: OrganizationFacts
    plan: SubscriptionPlan | None = None
    trial: Trial | None = None
    override: Override | None = None
    phone_number: PhoneNumberFacts | None = None
    call: CallFacts | None = None
    renewal_grace: timedelta = RENEWAL_GRACE


@dataclass(frozen=True, slots=True)
class Verdict:
    """One policy's answer. Build it with `allow`, `deny` or `abstain`."""

    effect: Effect
    reason: str | None = None


def allow(reason: str) -> Verdict:
    """Grant the call. `reason` is a slug such as `plan_active`, kept with the decision."""
    return Verdict(Effect.ALLOW, reason)


def deny(reason: str) -> Verdict:
    """Refuse the call. `reason` is a slug such as `too_many_calls`, kept with the decision."""
    return Verdict(Effect.DENY, reason)


def abstain(reason: str | None = None) -> Verdict:
    """Leave the decision to the others.

    Give a `reason` when you could have granted and could not (`trial_expired`): if no policy decides,
    the first such reason in the chain is the one the call is denied with.
    """
    return Verdict(Effect.ABSTAIN, reason)


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
    """

    @property
    def name(self) -> str: ...

    @property
    def order(self) -> int: ...

    def evaluate(self, request: AccessRequest) -> Verdict | Awaitable[Verdict]: ...
