"""`policies.testing` against the service's chain: what one takes, the other takes."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from policies import (
    AccessRequest,
    AppliesTo,
    CallFacts,
    PolicyContext,
    Verdict,
    abstain,
    allow,
    deny,
    hookimpl,
    policy,
)
from policies.admin_override import AdminOverridePolicy
from policies.host.registration import fit_policy
from policies.plan import PlanPolicy
from policies.testing import (
    NOW,
    FixedClock,
    PolicyHarness,
    PolicyTestError,
    conformance,
    evaluate,
    plugin_conformance,
    request,
    samples,
)
from policies.trial import TrialPolicy
from service.access.policies.chain import AccessChain

FULL = samples()[1]
FAR_WEST = timezone(timedelta(hours=-12))


class Lookalike(Verdict):
    """A subclass, which could answer differently each time it is read."""


async def linger(verdict: Verdict) -> Verdict:
    await asyncio.sleep(0.01)
    return verdict


async def hang(_asked: AccessRequest) -> Verdict:
    await asyncio.sleep(60)
    return abstain()


async def cancelled(_asked: AccessRequest) -> Verdict:
    raise asyncio.CancelledError


def leave(_asked: AccessRequest) -> Verdict:
    raise SystemExit(3)


def change(asked: AccessRequest) -> Verdict:
    object.__setattr__(asked.plan, "status", "unpaid")
    return abstain()


def forget(asked: AccessRequest) -> Verdict:
    object.__delattr__(asked, "plan")
    return abstain()


class Incomparable:
    """What cannot be compared."""

    def __eq__(self, other: object) -> bool:
        raise SystemExit(3)

    __hash__ = None  # type: ignore[assignment]


def confuse(asked: AccessRequest) -> Verdict:
    object.__setattr__(asked.organization, "name", Incomparable())
    return abstain()


def append(asked: AccessRequest) -> Verdict:
    asked.organization.attributes["tags"].append("seen")  # type: ignore[attr-defined]
    return abstain()


def sleepy(_asked: AccessRequest) -> Verdict:
    time.sleep(0.4)
    return abstain()


ODD: dict[str, Callable[[AccessRequest], Any]] = {
    "allow": lambda _: allow("fine", note="a note", until=NOW + timedelta(hours=1)),
    "awaited": lambda _: linger(deny("waited")),
    "abstain": lambda _: abstain(),
    "none": lambda _: None,
    "true": lambda _: True,
    "lookalike": lambda _: Lookalike(allow("x").effect, "x"),
    "effect": lambda _: Verdict("allow", "x"),  # type: ignore[arg-type]
    "no_reason": lambda _: Verdict(allow("x").effect),
    "odd_reason": lambda _: deny("Not A Slug"),
    "long_reason": lambda _: deny("x" * 101),
    "reason_type": lambda _: deny(7),  # type: ignore[arg-type]
    "lines": lambda _: deny("x", note="a\nb"),
    "long_warning": lambda _: deny("x", warning="w" * 201),
    "naive_until": lambda _: deny("x", until=datetime(2026, 1, 1)),  # noqa: DTZ001
    "last_until": lambda _: deny("x", until=datetime.max.replace(tzinfo=FAR_WEST)),
    "empty": lambda _: object.__new__(Verdict),
    "raises": lambda _: 1 / 0,
    "leaves": leave,
    "hangs": hang,
    "cancelled": cancelled,
    "changes": change,
    "forgets": forget,
    "confuses": confuse,
    "nested": append,
    "late": sleepy,
}


@pytest.mark.parametrize("pure", [True, False])
@pytest.mark.parametrize("name", list(ODD))
async def test_the_kit_fails_where_the_service_fails(name: str, pure: bool) -> None:
    """The same verdict, or the same failure by its slug."""
    odd = SimpleNamespace(name="odd", order=50, pure=pure, timeout_seconds=0.2, evaluate=ODD[name])
    asked = request(plan=FULL.plan, attributes={"tags": ["a"]})
    chain = AccessChain([fit_policy(odd, "third-party", "1")])
    (entry,) = (await chain.decide(asked, basis="fresh")).trace
    if entry.effect == "failed":
        with pytest.raises(PolicyTestError, match=f"^odd: {entry.reason}: "):
            PolicyHarness(odd).ask(asked)
    else:
        verdict = PolicyHarness(odd).ask(asked)
        assert (entry.effect, entry.reason) == (verdict.effect.value, verdict.reason)


class Wanted(BaseModel):
    most: int


GOOD: dict[str, Any] = {"name": "odd", "order": 50, "evaluate": lambda _asked: abstain()}


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Odd"},
        {"name": "admin_override"},
        {"order": True},
        {"order": 10**6 + 1},
        {"evaluate": "no"},
        {"on_failure": "panic"},
        {"timeout_seconds": 3},
        {"timeout_seconds": True},
        {"pure": "yes"},
        {"api_version": 99},
        {"applies_to": {"call_types": ["webCall"]}},
        {"settings": dict},
        {"start": 5},
    ],
    ids=str,
)
def test_what_the_service_refuses_does_not_conform(changes: dict[str, Any]) -> None:
    conformance(SimpleNamespace(**GOOD))
    with pytest.raises(PolicyTestError):
        conformance(SimpleNamespace(**{**GOOD, **changes}))


def test_settings_are_checked_and_given() -> None:
    seen: list[Any] = []

    @policy(order=50, pure=True, settings=Wanted)
    def limited(asked: AccessRequest) -> Verdict:
        seen.append(asked.settings)
        return allow("limited")

    assert PolicyHarness(limited).answer(request()).skipped == "not_configured"
    assert evaluate(limited, request(), settings={"most": 3}) == allow("limited")
    assert seen == [Wanted(most=3)]
    with pytest.raises(PolicyTestError, match="most"):
        evaluate(limited, request(), settings={"most": "hunter2"})
    with pytest.raises(PolicyTestError, match="not_configured"):
        conformance(limited)
    conformance(limited, settings={"most": 3})


def test_what_does_not_apply_is_not_asked() -> None:
    @policy(order=50, pure=True, applies_to=AppliesTo(call_types=frozenset({"webCall"})))
    def web(_asked: AccessRequest) -> Verdict:
        return deny("web")

    assert evaluate(web, request(call=CallFacts("c", "inboundPhoneCall"))) == abstain()
    assert evaluate(web, request(call=CallFacts("c", "webCall"))) == deny("web")


class Connected:
    """Opens something on the loop at its start and uses it in each ask, as a client of a server does."""

    name = "connected"
    order = 50

    async def start(self, _context: PolicyContext) -> None:
        self.loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        assert self.loop is asyncio.get_running_loop()

    async def evaluate(self, _asked: AccessRequest) -> Verdict:
        assert self.loop is asyncio.get_running_loop()
        return abstain()


async def test_all_asks_share_one_event_loop() -> None:
    """Also in a test that runs on a loop of its own."""
    with PolicyHarness(Connected()) as host:
        for _ in range(3):
            assert host.ask(request()) == abstain()


async def blocking(_asked: AccessRequest) -> Verdict:
    time.sleep(0.25)  # noqa: ASYNC251 - the fault
    return abstain()


def lazy(_asked: AccessRequest) -> Verdict:
    time.sleep(0.03)
    return abstain()


def test_blocking_the_event_loop_does_not_conform() -> None:
    with pytest.raises(PolicyTestError, match="blocked the event loop"):
        conformance(SimpleNamespace(name="odd", order=50, evaluate=blocking))
    with pytest.raises(PolicyTestError, match="not pure"):
        conformance(SimpleNamespace(name="odd", order=50, pure=True, evaluate=lazy))
    conformance(SimpleNamespace(name="odd", order=50, evaluate=lazy))


def module(register: Callable[[], Any]) -> ModuleType:
    def register_access_policies() -> Any:
        return register()

    found = ModuleType("third_party")
    found.register_access_policies = hookimpl(register_access_policies)  # type: ignore[attr-defined]
    return found


def forever() -> Any:
    while True:
        yield SimpleNamespace(**GOOD)


@pytest.mark.parametrize(
    ("register", "problem"),
    [
        (list, "returned no policy"),
        (forever, "over 100"),
        (lambda: [SimpleNamespace(**GOOD)] * 2, "a name is repeated"),
        (lambda: [object()], "not a slug"),
        (lambda: time.sleep(5), "within 0.3 s"),
    ],
)
def test_a_plugin_is_registered_as_in_the_service(
    register: Callable[[], Any], problem: str
) -> None:
    with pytest.raises(PolicyTestError, match=problem):
        plugin_conformance(module(register), seconds=0.3)


@pytest.mark.parametrize("built_in", [AdminOverridePolicy, PlanPolicy, TrialPolicy])
def test_the_built_in_policies_conform(built_in: Callable[[], Any]) -> None:
    conformance(built_in())


def test_attributes_are_frozen_all_the_way_down() -> None:
    tags = request(attributes={"a": {"tags": ["x", {"y": [1]}]}}).organization.attributes["a"]
    assert tags["tags"][0] == "x"  # type: ignore[index]
    assert tags["tags"][1]["y"] == (1,)  # type: ignore[index]


def test_a_clock_stands_still() -> None:
    clock = FixedClock()
    assert clock.now == NOW
    assert request(at=clock.advance(timedelta(hours=1))).at == NOW + timedelta(hours=1)
