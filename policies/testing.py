"""For authors of plugins: builders of requests and events with a fixed clock, and checks that every
policy passes.

Standard library and `policies` only, so that it works in any test runner.
"""

import asyncio
import inspect
import re
import time
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from policies.contract import (
    AccessPolicy,
    AccessRequest,
    CallFacts,
    Effect,
    OrganizationFacts,
    Override,
    PhoneNumberFacts,
    PlanLimits,
    SubscriptionPlan,
    Trial,
    UsageFacts,
    Verdict,
)
from policies.events import CallDecision, CallEvent, CallEventKind

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
"""The instant of every request that is built without another."""

SLUG = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,99}")
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
SLOWEST_SECONDS = 0.5


def request(**changes: Any) -> AccessRequest:
    """A request of an organization without plan, trial or override, with these changes.

    `attributes={…}` sets the organization's attributes; every other name is a field of
    `AccessRequest`.
    """
    attributes = changes.pop("attributes", {})
    organization = OrganizationFacts(
        UUID(int=1), "Example", "example", MappingProxyType(dict(attributes))
    )
    return replace(AccessRequest(at=NOW, organization=organization), **changes)


def call_event(kind: CallEventKind = "decided", **changes: Any) -> CallEvent:
    """An event of an allowed call of the organization of `request()`, with these changes."""
    decision = CallDecision(UUID(int=3), True, "plan_active", "plan")
    event = CallEvent(kind, NOW, "vapi-call", UUID(int=1), "Example", decision, started_at=NOW)
    return replace(event, **changes)


def samples() -> list[AccessRequest]:
    """Requests that every policy must handle: full, empty, in the far past and future."""
    full = request(
        plan=SubscriptionPlan(
            "pro", "active", NOW + timedelta(days=3), limits=PlanLimits(minutes=500)
        ),
        trial=Trial(NOW - timedelta(days=1), NOW + timedelta(days=1)),
        override=Override("allow", "because", "ada", None, NOW + timedelta(days=1)),
        phone_number=PhoneNumberFacts(UUID(int=2), "vapi-number", "+15550100100", "main"),
        call=CallFacts("vapi-call", "inboundPhoneCall", "+15550100200", "assistant"),
        usage=UsageFacts(2, 40, 5400.0, 12.5, NOW - timedelta(days=28), NOW + timedelta(days=3)),
        attributes={"seats": 3, "tags": ("a", "b")},
    )
    return [
        request(),
        full,
        replace(full, at=datetime(1971, 1, 1, tzinfo=UTC)),
        replace(full, at=datetime(2999, 1, 1, tzinfo=UTC)),
        request(call=CallFacts("vapi-call")),
    ]


def evaluate(policy: AccessPolicy, asked: AccessRequest) -> Verdict:
    """Evaluate a policy, plain or async, and return its verdict."""
    answer = policy.evaluate(asked)
    if inspect.isawaitable(answer):

        async def wait(given: Awaitable[Verdict]) -> Verdict:
            return await given

        return asyncio.run(wait(answer))
    assert isinstance(answer, Verdict), f"evaluate returned {type(answer).__name__}, not a Verdict"
    return answer


def conformance(policy: AccessPolicy) -> None:
    """Raise `AssertionError` with the problem unless the host can use this policy."""
    assert isinstance(policy.name, str), "name is not a string"
    assert NAME.fullmatch(policy.name), f"name {policy.name!r} is not a slug such as 'fair_use'"
    assert isinstance(policy.order, int), "order is not a whole number"
    assert not isinstance(policy.order, bool), "order is not a whole number"
    assert getattr(policy, "on_failure", "abstain") in ("abstain", "allow", "deny"), (
        "on_failure is not abstain, allow or deny"
    )
    assert 0 < getattr(policy, "timeout_seconds", 0.5) <= 2, "timeout_seconds is not within 0…2"
    for asked in samples():
        before = repr(asked)
        began = time.perf_counter()
        verdict = evaluate(policy, asked)
        taken = time.perf_counter() - began
        assert isinstance(verdict, Verdict), f"returned {type(verdict).__name__}, not a Verdict"
        if verdict.effect is not Effect.ABSTAIN or verdict.reason is not None:
            reason = verdict.reason
            assert isinstance(reason, str), "returned no reason"
            assert SLUG.fullmatch(reason), f"reason {reason!r} is not a slug such as 'fair_use'"
        assert taken < SLOWEST_SECONDS, f"took {taken:.2f} s: the host would not wait that long"
        assert repr(asked) == before, "changed the request"
