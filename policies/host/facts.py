"""Copies of the facts for third-party policies, so that none can change what others decide by.

A frozen object can still be changed by code that insists. The directory's own objects therefore go to
the built-in policies only. Pure.
"""

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from policies.contract import (
    AccessRequest,
    CallFacts,
    OrganizationFacts,
    PhoneNumberFacts,
    UsageFacts,
)
from policies.entitlements import Override, PlanLimits, SubscriptionPlan, Trial


def copy_request(given: AccessRequest) -> AccessRequest:
    """The same facts in new objects, all the way down."""
    plan, trial, override, call = given.plan, given.trial, given.override, given.call
    return AccessRequest(
        given.at,
        copy_organization(given.organization),
        None if plan is None else copy_plan(plan),
        None if trial is None else Trial(trial.starts_at, trial.ends_at),
        None if override is None else copy_override(override),
        None if given.phone_number is None else copy_number(given.phone_number),
        None if call is None else copy_call(call),
        given.renewal_grace,
        given.purpose,
        given.settings,
        None if given.usage is None else copy_usage(given.usage),
    )


def differs(copied: AccessRequest, true: AccessRequest) -> bool:
    """Whether a policy changed the copy that it saw; what cannot even be compared was changed."""
    try:
        return copied != true
    except BaseException:  # a fact is missing, or code of the policy raised
        return True


def copy_usage(given: UsageFacts) -> UsageFacts:
    return UsageFacts(
        given.live_calls,
        given.calls_today,
        given.seconds,
        given.cost,
        given.period_start,
        given.period_end,
        given.calls,
    )


def copy_call(given: CallFacts) -> CallFacts:
    return CallFacts(
        given.vapi_call_id,
        given.type,
        given.caller_number,
        given.assistant_id,
        given.direction,
        given.called_number,
        given.message,
        given.earlier_calls_hour,
        given.earlier_calls_today,
    )


def copy_organization(given: OrganizationFacts) -> OrganizationFacts:
    attributes = freeze_mapping(given.attributes)
    return OrganizationFacts(
        UUID(int=given.id.int), given.name, given.external_id, attributes, given.time_zone
    )


def copy_plan(given: SubscriptionPlan) -> SubscriptionPlan:
    limits = given.limits
    return SubscriptionPlan(
        given.code,
        given.status,
        given.current_period_end,
        given.grace_period_end,
        given.cancel_at_period_end,
        limits and PlanLimits(limits.minutes, limits.concurrent_calls, limits.cost),
        given.as_of,
    )


def copy_override(given: Override) -> Override:
    return Override(given.effect, given.reason, given.author, given.starts_at, given.expires_at)


def copy_number(given: PhoneNumberFacts) -> PhoneNumberFacts:
    return PhoneNumberFacts(
        UUID(int=given.id.int), given.vapi_phone_number_id, given.number, given.label
    )


def freeze(value: object) -> object:
    """The same value, deeply immutable."""
    if isinstance(value, Mapping):
        return freeze_mapping(value)
    if isinstance(value, list | tuple):
        return tuple(freeze(item) for item in value)
    return value


def freeze_mapping(given: Mapping[str, object]) -> Mapping[str, object]:
    """A read-only copy, deeply immutable."""
    return MappingProxyType({key: freeze(item) for key, item in given.items()})
