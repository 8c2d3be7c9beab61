"""Combines verdicts into one outcome: ordered first-applicable, vetoes first. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from policies.contract import Effect

DEFAULT_REASON = "no_plan_or_trial"
FAILED_REASON = "policy_failed"
"""The reason of a failed policy that counts as allow or deny."""


class PolicyVerdict(NamedTuple):
    """One policy's verdict; for a failed policy the effect that its `on_failure` names."""

    policy: str
    effect: Effect
    reason: str | None = None
    veto: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """Allowed or denied, the reason, and the policy that gave it."""

    effect: Literal[Effect.ALLOW, Effect.DENY]
    reason: str
    determined_by: str | None


def combine(verdicts: Sequence[PolicyVerdict]) -> Outcome:
    """Combine verdicts that come in the chain's order.

    A denial among the vetoes wins over everything. Else the first that allows or denies decides.
    If none does, access is denied with the first reason that an abstaining policy gave.
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
    return Outcome(Effect.DENY, DEFAULT_REASON, None)
