"""A policy from one function, for rules that need no object of their own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from policies.contract import AccessRequest, AppliesTo, OnFailure, Verdict

Evaluate = Callable[[AccessRequest], Verdict | Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class FunctionPolicy:
    """An `AccessPolicy` whose `evaluate` is the decorated function."""

    name: str
    order: int
    evaluate: Evaluate
    on_failure: OnFailure = "abstain"
    timeout_seconds: float = 0.5
    pure: bool = False
    veto: bool = False
    applies_to: AppliesTo | None = None
    settings: type[Any] | None = None


def policy(
    *,
    order: int,
    name: str | None = None,
    on_failure: OnFailure = "abstain",
    timeout_seconds: float = 0.5,
    pure: bool = False,
    veto: bool = False,
    applies_to: AppliesTo | None = None,
    settings: type[Any] | None = None,
) -> Callable[[Evaluate], FunctionPolicy]:
    """Make a function a policy; its name is the function's unless another is given.

    The other arguments are the optional attributes of `AccessPolicy`.
    """

    def decorate(evaluate: Evaluate) -> FunctionPolicy:
        return FunctionPolicy(
            name or evaluate.__name__,
            order,
            evaluate,
            on_failure,
            timeout_seconds,
            pure,
            veto,
            applies_to,
            settings,
        )

    return decorate
