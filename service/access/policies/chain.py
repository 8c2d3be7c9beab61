"""The chain: evaluates policies in order, each within its deadline, and traces every verdict."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol
from uuid import uuid4

from policies.contract import RENEWAL_GRACE, AccessRequest, Effect, Verdict
from service.access.policies.combine import FAILED_REASON, PolicyVerdict, combine
from service.access.policies.evaluation import Evaluator
from service.access.policies.health import PolicyHealth
from service.access.policies.isolation import PolicyFailure
from service.access.policies.registration import RegisteredPolicy
from service.domain.decisions import Basis, Decision, TraceEntry

BUDGET_SECONDS = 2.0
"""For all policies together; an assistant-request has to be answered within 2.5 s."""

COUNTED_AS = {"allow": Effect.ALLOW, "deny": Effect.DENY, "abstain": Effect.ABSTAIN}


@dataclass(frozen=True, slots=True)
class PolicyInfo:
    """One policy as operators see it."""

    name: str
    order: int
    plugin: str
    version: str
    veto: bool
    on_failure: str
    timeout_seconds: float
    health: PolicyHealth
    mode: str = "enforce"


class DecisionChain(Protocol):
    """A chain that decides access requests, as the gate and the call watch use it."""

    async def decide(self, request: AccessRequest, *, basis: Basis) -> Decision: ...


class AccessChain:
    """Decides access requests. Built once; `decide` may run many times at once.

    It states the operator's `renewal_grace` in each request, for all policies alike.
    """

    def __init__(
        self, policies: Sequence[RegisteredPolicy], renewal_grace: timedelta = RENEWAL_GRACE
    ) -> None:
        self.renewal_grace = renewal_grace
        ordered = sorted(policies, key=lambda policy: policy.rank)
        self.evaluators = [Evaluator(policy) for policy in ordered]

    def describe(self) -> list[PolicyInfo]:
        """The policies in the order of evaluation."""
        return [
            PolicyInfo(
                policy.name,
                policy.order,
                policy.plugin,
                policy.version,
                policy.veto,
                policy.on_failure,
                policy.timeout_seconds,
                evaluator.metrics.read(suspended=evaluator.suspended),
            )
            for evaluator, policy in ((one, one.policy) for one in self.evaluators)
        ]

    async def decide(self, request: AccessRequest, *, basis: Basis) -> Decision:
        """Evaluate all vetoes, then the others in order until one allows or denies."""
        if request.renewal_grace != self.renewal_grace:
            request = replace(request, renewal_grace=self.renewal_grace)
        ends_at = time.monotonic() + BUDGET_SECONDS
        verdicts: list[PolicyVerdict] = []
        trace: list[TraceEntry] = []
        decided = False
        for evaluator in self.evaluators:
            policy = evaluator.policy
            if decided and not policy.veto:
                trace.append(TraceEntry(policy.name, "skipped"))
                continue
            verdict, entry = await self.ask(evaluator, request, ends_at - time.monotonic())
            trace.append(entry)
            verdicts.append(PolicyVerdict(policy.name, verdict.effect, verdict.reason, policy.veto))
            decided = decided or verdict.effect is not Effect.ABSTAIN
        outcome = combine(verdicts)
        return Decision(
            id=uuid4(),
            effect=outcome.effect,
            reason=outcome.reason,
            determined_by=outcome.determined_by,
            basis=basis,
            trace=tuple(trace),
            decided_at=request.at,
        )

    async def ask(
        self, evaluator: Evaluator, request: AccessRequest, seconds: float
    ) -> tuple[Verdict, TraceEntry]:
        """One policy's verdict, or the verdict its failure counts as, with its trace entry."""
        policy = evaluator.policy
        began = time.perf_counter()
        try:
            verdict = await evaluator.evaluate(request, seconds)
        except PolicyFailure as exc:
            effect = COUNTED_AS[policy.on_failure]
            reason = None if effect is Effect.ABSTAIN else FAILED_REASON
            took = milliseconds_since(began)
            evaluator.metrics.record_failure(str(exc), took)
            entry = TraceEntry(policy.name, "failed", str(exc), policy.on_failure, took)
            return Verdict(effect, reason), entry
        took = milliseconds_since(began)
        evaluator.metrics.record_verdict(verdict.effect, took)
        return verdict, TraceEntry(policy.name, verdict.effect.value, verdict.reason, None, took)


def milliseconds_since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)
