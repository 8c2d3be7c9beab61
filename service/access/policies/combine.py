"""From verdicts to one outcome: ordered first-applicable, with vetoes heard first. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from policies.contract import Effect

NOBODY_REASON = "no_plan_or_trial"
FAILED_REASON = "policy_failed"


@dataclass(frozen=True, slots=True)
class PolicyVerdict:
    """What one policy said, or, if it failed, what its `on_failure` makes of that."""

    policy: str
    effect: Effect
    reason: str | None = None
    veto: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """Allowed or denied, why, and the policy whose verdict or reason it is."""

    effect: Literal[Effect.ALLOW, Effect.DENY]
    reason: str
    determined_by: str | None


def combine(verdicts: Sequence[PolicyVerdict]) -> Outcome:
    """Combine verdicts that come in the chain's order.

    A denial among the vetoes wins over everything. Else the first that allows or denies decides.
    If nobody does, access is denied with the first reason that an abstaining policy gave.
    """
    for verdict in verdicts:
        if verdict.veto and verdict.effect is Effect.DENY:
            return Outcome(Effect.DENY, verdict.reason or FAILED_REASON, verdict.policy)
    for verdict in verdicts:
        if verdict.effect is Effect.ALLOW:
            return Outcome(Effect.ALLOW, verdict.reason or FAILED_REASON, verdict.policy)
        if verdict.effect is Effect.DENY:
            return Outcome(Effect.DENY, verdict.reason or FAILED_REASON, verdict.policy)
    for verdict in verdicts:
        if verdict.reason is not None:
            return Outcome(Effect.DENY, verdict.reason, verdict.policy)
    return Outcome(Effect.DENY, NOBODY_REASON, None)
