"""The contract of a policy: frozen facts in, a verdict out. No I/O here."""

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypedDict, Unpack, runtime_checkable
from uuid import UUID

from policies.entitlements import Override, SubscriptionPlan, Trial
from policies.limits import CallLimit

API_VERSION = 1
"""The version of this surface. A policy may say with `api_version` which one it was written for."""

OnFailure = Literal["abstain", "allow", "deny"]
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
class OrganizationFacts:
    """The tenant of the call. `attributes` are the agency's own and read-only here. `time_zone` is the
    name of its time zone (IANA), where it has one."""

    id: UUID
    name: str
    external_id: str | None = None
    attributes: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    time_zone: str | None = None


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
    `earlier_calls_hour` and `earlier_calls_today` are the organization's granted inbound calls of this
    caller within an hour before and on its day, without this one; None for a caller without a number.
    """

    vapi_call_id: str
    type: str | None = None
    caller_number: str | None = None
    assistant_id: str | None = None
    direction: Direction | None = None
    called_number: str | None = None
    message: str | None = None
    earlier_calls_hour: int | None = None
    earlier_calls_today: int | None = None


@dataclass(frozen=True, slots=True)
class UsageFacts:
    """What the organization uses now, whatever the request's `at`.

    `live_calls` are granted calls under way, without the one that is asked about. `calls_today` are
    granted calls of its day, and `calls` those of the period. `seconds` and `cost` (in the currency of
    Vapi) are those of all calls that began in the period from `period_start` to before `period_end`: the
    plan's month, else the calendar month. Of calls under way they are not known yet.
    """

    live_calls: int
    calls_today: int
    seconds: float
    cost: float
    period_start: datetime
    period_end: datetime
    calls: int = 0


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """The question put to every policy: may this organization have a call at `at`?

    `at` comes from the database's clock. `phone_number` and `call` are absent when an admin asks
    about an organization as a whole. `renewal_grace` is the operator's CALLGATE_RENEWAL_GRACE.
    `settings` is an instance of the policy's own `settings` model; None without one.
    `usage` is absent while it is unknown, as after a start without PostgreSQL, for a past period, and
    for a moment after a change that begins another period.
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


@dataclass(frozen=True)
class Verdict:
    """One policy's answer. Build it with `allow`, `deny` or `abstain`.

    `until`: the policy may answer differently from then on, so it is asked again: for the ring gate,
    for calls under way, and in the upcoming changes that admins see. `warning` is for operators (what
    will soon be refused), `note` for who reads the trace (what was counted). Both are plain text of at
    most 200 characters, kept with the decision; no caller hears them.

    `message` and `divert_to` count where this verdict gives the reason of a denial. `message` is what
    the caller hears: at most 1,000 characters, with the placeholders of a blocked message. `divert_to`
    is where the call goes instead of being refused: a phone number in E.164, or `{"assistantId": …}`,
    `{"squadId": …}`, `{"workflowId": …}` or `{"destination": …}` as Vapi takes them. Only the answer to
    an `assistant-request` can divert; elsewhere it is an ordinary denial.

    `max_duration_seconds` is how long the call may last: Vapi gets the least that any policy gives,
    again in the answer to an `assistant-request` only.

    `limits`: a call that is granted is let in only within all of these; else this verdict gives the
    reason of its denial. A denial has none.
    """

    effect: Effect
    reason: str | None = None
    until: datetime | None = None
    warning: str | None = None
    note: str | None = None
    message: str | None = None
    divert_to: str | Mapping[str, Any] | None = None
    max_duration_seconds: float | None = None
    limits: tuple[CallLimit, ...] = ()


class More(TypedDict, total=False):
    """What a verdict may carry, see `Verdict`."""

    until: datetime | None
    warning: str | None
    note: str | None
    message: str | None
    divert_to: str | Mapping[str, Any] | None
    max_duration_seconds: float | None


def plain(effect: Effect, reason: str | None) -> Verdict:
    """A verdict that carries nothing more. Each policy gives one for each call, and setting the fields
    of a frozen object one by one takes longer than all else; those left out are the defaults."""
    verdict = object.__new__(Verdict)
    verdict.__dict__.update(effect=effect, reason=reason)
    return verdict


def allow(reason: str, *, limits: Iterable[CallLimit] = (), **more: Unpack[More]) -> Verdict:
    """Grant the call. `reason` is a slug such as `plan_active`, kept with the decision."""
    if not (more or limits):
        return plain(Effect.ALLOW, reason)
    return Verdict(Effect.ALLOW, reason, limits=tuple(limits), **more)


def deny(reason: str, **more: Unpack[More]) -> Verdict:
    """Refuse the call. `reason` is a slug such as `too_many_calls`, kept with the decision."""
    return Verdict(Effect.DENY, reason, **more) if more else plain(Effect.DENY, reason)


def abstain(
    reason: str | None = None, *, limits: Iterable[CallLimit] = (), **more: Unpack[More]
) -> Verdict:
    """Leave the decision to the others.

    Give a `reason` when you could have granted and could not (`trial_expired`): if no policy decides,
    the first such reason in the chain is the one the call is denied with.
    """
    if not (more or limits):
        return plain(Effect.ABSTAIN, reason)
    return Verdict(Effect.ABSTAIN, reason, limits=tuple(limits), **more)


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
