"""Limits in verdicts: what the service takes, `policies.testing` takes, and nothing else."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from policies import AccessRequest, CallLimit, Verdict, abstain, allow, deny, limit
from policies.host.registration import fit_policy
from policies.testing import PolicyHarness, PolicyTestError, request
from service.access.policies.chain import AccessChain


class OddLimit(CallLimit):
    """A subclass, which could count differently each time it is read."""


def limited(name: Any = "calls", capacity: Any = 5, reason: Any = "too_many") -> CallLimit:
    return limit(name, capacity, reason=reason)


GOOD: dict[str, Callable[[AccessRequest], Verdict]] = {
    "two": lambda _: abstain(limits=[limited(), limited("seats", 0)]),
    "of_a_grant": lambda _: allow("fine", limits=(limited(),)),
}
BAD: dict[str, Callable[[AccessRequest], Verdict]] = {
    "of_a_denial": lambda _: Verdict(deny("x").effect, "x", limits=(limited(),)),
    "limits_list": lambda _: Verdict(abstain().effect, limits=[limited()]),  # type: ignore[arg-type]
    "limits_none": lambda _: Verdict(abstain().effect, limits=None),  # type: ignore[arg-type]
    "limit_twice": lambda _: abstain(limits=[limited(), limited()]),
    "limit_name": lambda _: abstain(limits=[limited("Not A Slug")]),
    "limit_reason": lambda _: abstain(limits=[limited(reason=None)]),
    "limit_type": lambda _: abstain(limits=[OddLimit("calls", 5, "too_many")]),
    "limit_tuple": lambda _: abstain(limits=[("calls", 5, "too_many")]),  # type: ignore[list-item]
    "capacity_below_zero": lambda _: abstain(limits=[limited(capacity=-1)]),
    "capacity_true": lambda _: abstain(limits=[limited(capacity=True)]),
    "capacity_float": lambda _: abstain(limits=[limited(capacity=2.5)]),
    "capacity_vast": lambda _: abstain(limits=[limited(capacity=10**9)]),
    "nine_limits": lambda _: abstain(limits=[limited(f"calls_{n}") for n in range(9)]),
    "limit_empty": lambda _: abstain(limits=[object.__new__(CallLimit)]),
}


def policy_of(evaluate: object) -> SimpleNamespace:
    return SimpleNamespace(name="odd", order=50, pure=True, evaluate=evaluate)


async def ask_service(evaluate: object) -> Any:
    chain = AccessChain([fit_policy(policy_of(evaluate), "third-party", "1")])
    return (await chain.decide(request(), basis="fresh")).trace[0]


@pytest.mark.parametrize("name", list(GOOD))
async def test_limits_reach_the_trace(name: str) -> None:
    given = GOOD[name](request()).limits
    assert PolicyHarness(policy_of(GOOD[name])).ask(request()).limits == given
    entry = await ask_service(GOOD[name])
    stated = [(one.name, one.capacity, one.reason) for one in entry.limits]
    assert stated == [(one.name, one.capacity, one.reason) for one in given]
    assert {one.in_use for one in entry.limits} == {None}, "nothing counts here"


@pytest.mark.parametrize("name", list(BAD))
async def test_unfit_limits_are_a_failure(name: str) -> None:
    with pytest.raises(PolicyTestError, match=r"^odd: "):
        PolicyHarness(policy_of(BAD[name])).ask(request())
    entry = await ask_service(BAD[name])
    assert (entry.effect, entry.limits) == ("failed", ())
