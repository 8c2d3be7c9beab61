"""For authors of plugins: builders of requests and events with a fixed clock, and checks that every
policy passes.

It runs a policy by the code that the service runs it by (`policies.host`), in any test runner; fixtures
for pytest come with `policies.pytest_plugin`.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from policies.contract import (
    AccessRequest,
    CallFacts,
    OrganizationFacts,
    PhoneNumberFacts,
    UsageFacts,
    Verdict,
)
from policies.entitlements import Override, PlanLimits, SubscriptionPlan, Trial
from policies.events import CallDecision, CallEvent, CallEventKind
from policies.host.facts import freeze_mapping
from policies.host.harness import HostAnswer, PolicyHarness, PolicyTestError
from policies.host.hooks import call_hooks
from policies.host.loading import call_within, readable
from policies.host.running import BLOCKED_SECONDS, SLOW_SECONDS, SLOW_STRIKES

__all__ = [
    "NOW",
    "FixedClock",
    "HostAnswer",
    "PolicyHarness",
    "PolicyTestError",
    "call_event",
    "conformance",
    "evaluate",
    "plugin_conformance",
    "request",
    "samples",
]

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
"""The instant of every request that is built without another."""


class FixedClock:
    """The instant of the requests of a test: it stands still until it is set or moved on."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def advance(self, by: timedelta) -> datetime:
        """Move on, and return the new instant."""
        self.now += by
        return self.now


def request(**changes: Any) -> AccessRequest:
    """A request of an organization without plan, trial or override, with these changes.

    `attributes={…}` sets the organization's attributes; every other name is a field of
    `AccessRequest`. Lists among the attributes become tuples, as in the service.
    """
    attributes = changes.pop("attributes", {})
    organization = OrganizationFacts(UUID(int=1), "Example", "example", freeze_mapping(attributes))
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


def evaluate(
    policy: object, asked: AccessRequest, *, settings: Mapping[str, object] | None = None
) -> Verdict:
    """Evaluate a policy as the service does, and return its verdict.

    All asks share one event loop. `abstain()` where the service would not ask the policy. Raises
    `PolicyTestError`, an `AssertionError`, where the service would refuse it or count a failure.
    """
    return PolicyHarness(policy, settings=settings).ask(asked)


def conformance(policy: object, *, settings: Mapping[str, object] | None = None) -> None:
    """Raise `PolicyTestError` with the problem unless the service can use this policy.

    It is started, asked about `samples()` and stopped. A policy that needs settings needs them here.
    """
    with PolicyHarness(policy, settings=settings) as host:
        name = host.policy.name
        slow = 0
        for asked in samples():
            answer = host.answer(asked)
            if answer.skipped == "not_configured":
                raise PolicyTestError(f"{name}: not_configured: give the settings that it requires")
            if answer.blocked > BLOCKED_SECONDS:
                answer = host.answer(asked)  # a busy machine can stop any code once
            if answer.blocked > BLOCKED_SECONDS:
                raise PolicyTestError(
                    f"{name}: it blocked the event loop for {answer.blocked:.2f} s: the service "
                    "would suspend it for an hour"
                )
            slow += host.policy.pure and answer.blocked > SLOW_SECONDS
        if slow >= SLOW_STRIKES:
            raise PolicyTestError(
                f"{name}: it is not pure: it takes over {SLOW_SECONDS * 1000:.0f} ms"
            )


def plugin_conformance(
    plugin: object, name: str = "plugin", *, seconds: float = 10.0
) -> list[object]:
    """What the imported module of a plugin registers, each a policy that the service takes.

    Raises `PolicyTestError` with the problem.
    """
    try:
        found = call_within(seconds, lambda: call_hooks(plugin, name)[0])
    except Exception as exc:
        raise PolicyTestError(readable(exc)) from exc
    names = [PolicyHarness(one).policy.name for one in found]
    if len(set(names)) < len(names):
        raise PolicyTestError(f"a name is repeated: {', '.join(names)}")
    return found
