"""The chain: decides by the answers of policies in order, and traces every verdict."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4

from policies.contract import RENEWAL_GRACE, AccessRequest, Effect
from policies.host.lifecycle import START_SECONDS
from policies.host.registration import RegisteredPolicy
from service.access.policies.asking import PolicyAsker, decides
from service.access.policies.choices import ChoicesInForce
from service.access.policies.combine import PolicyVerdict, combine
from service.access.policies.evaluation import Evaluator, PolicyAnswer
from service.access.policies.given_facts import Facts
from service.access.policies.info import PolicyInfo, describe_policies
from service.access.policies.lifecycle import start_policies, stop_policies
from service.access.policies.line_up import Arrangement, LineUp
from service.access.policies.own_settings import Unseal, same
from service.access.policies.plugins import PluginProblem
from service.access.policies.readers import (
    CallerReader,
    LimitReader,
    UsageReader,
    without_itself,
)
from service.access.policies.shadow import ShadowQuestion, Shadows, add_answers, ask_shadows
from service.access.policies.terms import find_terms
from service.domain.decisions import Basis, Decision, TraceEntry
from service.domain.policies.choices import NONE_CHOSEN, OwnChoices

BUDGET_SECONDS = 2.0
"""For all policies together; an assistant-request has to be answered within 2.5 s."""


class DecisionChain(Protocol):
    """A chain that decides access requests, as the gate and the call watch use it."""

    async def decide(
        self, request: AccessRequest, *, basis: Basis, own: OwnChoices = NONE_CHOSEN
    ) -> Decision: ...

    def decide_at_once(
        self, request: AccessRequest, *, basis: Basis, own: OwnChoices = NONE_CHOSEN
    ) -> Decision | None: ...


class AccessChain:
    """Decides access requests. Built once; `decide` may run many times at once.

    It states the operator's `renewal_grace`, the `usage` and the caller's earlier calls in each request,
    for all policies alike.
    `choices` are those for all organizations; they are applied when the next decision begins.
    """

    usage: UsageReader | None = None
    callers: CallerReader | None = None
    limits: LimitReader | None = None

    def __init__(
        self, policies: Sequence[RegisteredPolicy], renewal_grace: timedelta = RENEWAL_GRACE
    ) -> None:
        self.renewal_grace = renewal_grace
        self.budget_seconds = BUDGET_SECONDS
        self.start_seconds = START_SECONDS
        self.started = False
        self.problems: list[PluginProblem] = []
        """Why policies left the chain at the start."""
        self.choices = ChoicesInForce()
        self.shadows = Shadows()
        self.unseal: Unseal = same
        self.arranged = Arrangement([Evaluator(policy) for policy in policies], {})
        self.asker = PolicyAsker()

    @property
    def arrangement(self) -> Arrangement:
        """The policies as the choices for all organizations arrange them now."""
        if self.arranged.choices is not self.choices.value:
            self.arranged = Arrangement(self.arranged.evaluators, self.choices.value)
        return self.arranged

    @property
    def evaluators(self) -> Sequence[Evaluator]:
        """The policies in order."""
        return self.arrangement.evaluators

    def unseal_by(self, unseal: Unseal) -> None:
        """Read secrets in the settings of organizations by `unseal`."""
        self.unseal = unseal
        for evaluator in self.evaluators:
            if evaluator.own_settings is not None:
                evaluator.own_settings.unseal = unseal

    def find(self, name: str) -> RegisteredPolicy | None:
        """A policy as its plugin declares it."""
        return next((one for one in self.list_declared() if one.name == name), None)

    def list_declared(self) -> list[RegisteredPolicy]:
        """All policies as their plugins declare them, in order."""
        return [one.registered for one in self.evaluators]

    def describe(self) -> list[PolicyInfo]:
        """The policies in the order of evaluation."""
        return describe_policies(self.arrangement)

    async def start(self) -> None:
        """Start the policies, once; those whose start fails leave the chain."""
        if self.started:
            return
        self.started = True
        for evaluator, problem in await start_policies(self.evaluators, seconds=self.start_seconds):
            left = [one for one in self.evaluators if one is not evaluator]
            self.arranged = Arrangement(left, self.choices.value)
            self.problems.append(problem)

    async def stop(self) -> None:
        """Stop the policies."""
        self.shadows.stop()
        await stop_policies(self.evaluators)

    async def decide(
        self,
        request: AccessRequest,
        *,
        basis: Basis,
        own: OwnChoices = NONE_CHOSEN,
        with_shadows: bool = False,
        under_way: bool = False,
    ) -> Decision:
        """Evaluate all vetoes, then the others in order until one allows or denies.

        Policies that only compute are asked first, in place. The others whose answer may still count
        run at the same time, so that none uses up the time of the next. `own` are the choices of the
        organization; those for all count where it has none. Policies in shadow are asked afterwards: of
        a call in the background; `with_shadows` waits for them, for an explanation. `under_way`: asked
        for the calls under way, not for the next one.
        """
        line = self.arrangement.find(own, request.organization.id)
        request = self.complete(request, line)
        if under_way:
            request = replace(request, usage=without_itself(request.usage))
        facts = Facts(request, own)
        ends_at = time.monotonic() + self.budget_seconds
        answers = await self.asker.ask_all(facts, line.enforced, ends_at)
        if facts.changed:
            # Which one it was, only facts of its own can tell; what it changed counts for none.
            facts = Facts(request, own, apart=True)
            answers = await self.asker.ask_all(facts, line.enforced, ends_at)
        decision, verdicts = self.conclude(request, line, basis, answers)
        shadowed = line.shadowed
        if not shadowed:
            return decision
        if with_shadows:
            return add_answers(decision, await ask_shadows(shadowed, request, own))
        if request.purpose == "call" and request.call is not None and basis != "reconstructed":
            ranks = {one.policy.name: one.policy.rank for one in line.enforced}
            ranked = [(ranks[one.policy], one) for one in verdicts]
            self.shadows.begin(ShadowQuestion(shadowed, request, own, decision, ranked))
        return decision

    def decide_at_once(
        self, request: AccessRequest, *, basis: Basis, own: OwnChoices = NONE_CHOSEN
    ) -> Decision | None:
        """The decision, if all policies that decide only compute; None: `decide` is to be awaited."""
        line = self.arrangement.find(own, request.organization.id)
        if line.shadowed or not all(one.answers_at_once for one in line.enforced):
            return None
        request = self.complete(request, line)
        facts = Facts(request, own)
        ends_at = time.monotonic() + self.budget_seconds
        answers, beside = self.asker.ask_here(facts, line.enforced, ends_at)
        if beside or facts.changed:
            self.asker.leave(beside)
            return None
        return self.conclude(request, line, basis, answers)[0]

    def conclude(
        self,
        request: AccessRequest,
        line: LineUp,
        basis: Basis,
        answers: Sequence[PolicyAnswer | None],
    ) -> tuple[Decision, list[PolicyVerdict]]:
        """The decision by the answers of the policies, and the verdicts that count."""
        verdicts, trace = self.read(answers, line.enforced)
        if self.limits is not None and any(entry.limits for entry in trace):
            trace = self.limits.complete(request.organization.id, trace)
        outcome = combine(verdicts)
        decision = Decision(
            id=uuid4(),
            effect=outcome.effect,
            reason=outcome.reason,
            determined_by=outcome.determined_by,
            basis=basis,
            trace=line.complete(trace, whole=request.purpose == "preview"),
            decided_at=request.at,
            until=find_until(answers, request.at),
            terms=find_terms(trace, outcome),
        )
        return decision, verdicts

    def complete(self, request: AccessRequest, line: LineUp) -> AccessRequest:
        """The request with what memory knows; what no policy of the line reads is not computed."""
        usage, call = None, request.call
        if not line.predictable:
            usage = None if self.usage is None else self.usage.read(request)
            if call is not None and self.callers is not None:
                call = self.callers.complete(request, call)
        return replace(request, renewal_grace=self.renewal_grace, usage=usage, call=call)

    def read(
        self, answers: Sequence[PolicyAnswer | None], evaluators: Sequence[Evaluator]
    ) -> tuple[list[PolicyVerdict], list[TraceEntry]]:
        """The verdicts that count, and the trace: what comes after the one that decided is skipped."""
        verdicts: list[PolicyVerdict] = []
        trace: list[TraceEntry] = []
        decided = False
        for evaluator, answer in zip(evaluators, answers, strict=True):
            policy = evaluator.policy
            if answer is None or (decided and not policy.veto):
                trace.append(TraceEntry(policy.name, "skipped"))
                continue
            trace.append(answer.entry)
            if answer.effect is Effect.ABSTAIN and answer.reason is None:
                continue  # it changes nothing
            verdicts.append(PolicyVerdict(policy.name, answer.effect, answer.reason, policy.veto))
            decided = decided or decides(answer)
        return verdicts, trace


def find_until(answers: Sequence[PolicyAnswer | None], at: datetime) -> datetime | None:
    """When the first of the policies that were asked may answer differently."""
    instants = [one.until for one in answers if one is not None and one.until is not None]
    return min((one for one in instants if one > at), default=None) if instants else None
