"""Asks policies in shadow after the decision, beside it: they can neither delay nor change it.

Even policies that only compute run in threads here, with facts, threads and a breaker of their own. The
verdict is recorded with what would have been decided if this one policy had been enforced.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import structlog

from policies.contract import AccessRequest, Effect
from policies.host.isolation import PolicyFailure
from service.access.policies.combine import PolicyVerdict, combine
from service.access.policies.evaluation import Evaluator, PolicyAnswer
from service.access.policies.given_facts import Facts, prepare
from service.domain.decisions import Decision
from service.domain.policies.choices import OwnChoices
from service.domain.policies.shadow import Decided, ShadowVerdict

DELAY_SECONDS = 0.05
"""How long after a decision its policies in shadow are asked: the call has its answer by then."""
BUDGET_SECONDS = 2.0
MOST_PENDING = 500
"""How many decisions may wait for their policies in shadow; beyond it, they are not asked."""

log = structlog.get_logger()


class ShadowQuestion(NamedTuple):
    """What policies in shadow are asked, and what was decided without them. `verdicts` are those of the
    enforced policies, each with its rank in the chain."""

    evaluators: Sequence[Evaluator]
    request: AccessRequest
    own: OwnChoices
    decision: Decision
    verdicts: Sequence[tuple[tuple[bool, int, str], PolicyVerdict]]


class Shadows:
    """Asks in the background and records; `dropped` counts decisions whose policies were not asked.

    Without `record` nothing is asked: a command records no calls.
    """

    def __init__(self) -> None:
        self.record: Callable[[ShadowVerdict], None] | None = None
        self.delay_seconds = DELAY_SECONDS
        self.most_pending = MOST_PENDING
        self.pending: set[asyncio.Task[None]] = set()
        self.dropped = 0

    def begin(self, question: ShadowQuestion) -> None:
        """Have the policies asked soon. Never waits, never fails."""
        if self.record is None:
            return
        if len(self.pending) >= self.most_pending:
            self.dropped += 1
            return
        task = asyncio.get_running_loop().create_task(self.ask(question, self.record))
        self.pending.add(task)
        task.add_done_callback(self.pending.discard)

    async def ask(self, question: ShadowQuestion, record: Callable[[ShadowVerdict], None]) -> None:
        """Ask all policies of a question at the same time, and record their verdicts."""
        await asyncio.sleep(self.delay_seconds)
        try:
            answers = await ask_shadows(question.evaluators, question.request, question.own)
            for evaluator, answer in zip(question.evaluators, answers, strict=True):
                if answer.entry.effect != "skipped":
                    record(verdict_of(question, evaluator, answer))
        except Exception:
            log.exception("shadow.failed")

    def stop(self) -> None:
        """End what is still asked."""
        for task in self.pending:
            task.cancel()


async def ask_shadows(
    evaluators: Sequence[Evaluator], request: AccessRequest, own: OwnChoices
) -> list[PolicyAnswer]:
    """The answers of policies in shadow, each with facts of its own."""
    ends_at = time.monotonic() + BUDGET_SECONDS
    return await asyncio.gather(*(ask_shadow(one, request, own, ends_at) for one in evaluators))


async def ask_shadow(
    evaluator: Evaluator, request: AccessRequest, own: OwnChoices, ends_at: float
) -> PolicyAnswer:
    """The answer of one policy; a failure if it changed the facts."""
    facts = Facts(request, own, apart=True)
    answer, settings = None, None
    if evaluator.is_conditional:
        answer, settings = prepare(evaluator, facts)
    if answer is not None:
        return answer
    seen, apart = facts.of(evaluator, settings), evaluator.apart()
    answer = await apart.ask_beside(seen, ends_at)
    if facts.was_changed(seen):
        return apart.fail(PolicyFailure("changed_facts"), time.perf_counter())
    return answer


def add_answers(decision: Decision, answers: Sequence[PolicyAnswer]) -> Decision:
    """The decision with the answers of policies in shadow in its trace."""
    entries = {one.entry.policy: replace(one.entry, mode="shadow") for one in answers}
    return replace(
        decision, trace=tuple(entries.get(entry.policy, entry) for entry in decision.trace)
    )


def verdict_of(
    question: ShadowQuestion, evaluator: Evaluator, answer: PolicyAnswer
) -> ShadowVerdict:
    """An answer as it is recorded."""
    request, decision, entry = question.request, question.decision, answer.entry
    assert request.call is not None
    return ShadowVerdict(
        policy=evaluator.policy.name,
        vapi_call_id=request.call.vapi_call_id,
        organization_id=request.organization.id,
        effect=entry.effect,
        reason=entry.reason,
        decided="allow" if decision.allowed else "deny",
        would=find_other(question, evaluator, answer),
        at=decision.decided_at,
        counted_as=entry.counted_as,
        duration_ms=entry.duration_ms,
    )


def find_other(question: ShadowQuestion, evaluator: Evaluator, answer: PolicyAnswer) -> Decided:
    """What would have been decided with the policy enforced at its place in the chain.

    Policies behind the one that decided were not asked; they could not have decided with it either.
    """
    policy = evaluator.policy
    mine = PolicyVerdict(policy.name, answer.effect, answer.reason, policy.veto)
    ranked = sorted([*question.verdicts, (policy.rank, mine)], key=lambda one: one[0])
    outcome = combine([verdict for _, verdict in ranked])
    if outcome.effect is not Effect.ALLOW:
        return "deny"
    deciding = next(rank for rank, one in ranked if one.policy == outcome.determined_by)
    return "deny" if policy.rank <= deciding and states_full(question, answer) else "allow"


def states_full(question: ShadowQuestion, answer: PolicyAnswer) -> bool:
    """Whether a limit that the policy states would have been used up.

    No call holds the name of a limit in shadow: all calls under way are counted, which is an upper bound
    where the policy states the limit for some of them only.
    """
    usage = question.request.usage
    return usage is not None and any(
        usage.live_calls >= one.capacity for one in answer.entry.limits
    )
