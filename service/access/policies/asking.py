"""Asks the policies of one decision: those that only compute in place, the others at the same time.

The others whose answer may still count run beside each other, so that none uses up the time of the next.
"""

import asyncio
import contextvars
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from policies.contract import AccessRequest, Effect
from policies.host.isolation import PolicyFailure
from policies.host.running import AwaitableError
from service.access.policies.evaluation import Evaluator, PolicyAnswer
from service.access.policies.given_facts import Facts, prepare


class Asked(NamedTuple):
    """A policy that is asked beside the others: its place in the chain, and the facts that it sees."""

    place: int
    evaluator: Evaluator
    seen: AccessRequest
    task: asyncio.Task[PolicyAnswer]


@dataclass(slots=True)
class PolicyAsker:
    """`left` are evaluations that still run, whether or not their answer still counts."""

    left: set[asyncio.Task[PolicyAnswer]] = field(default_factory=set)

    async def ask_all(
        self, facts: Facts, evaluators: Sequence[Evaluator], ends_at: float
    ) -> list[PolicyAnswer | None]:
        """The answers in the order of the policies; None: not asked, or no longer needed.

        `ends_at`, on the monotonic clock, is when an answer comes too late.
        """
        answers, beside = self.ask_here(facts, evaluators, ends_at)
        if beside:
            self.leave(beside)
            await self.wait_for(beside, answers, facts)
        return answers

    def ask_here(
        self, facts: Facts, evaluators: Sequence[Evaluator], ends_at: float
    ) -> tuple[list[PolicyAnswer | None], list[Asked]]:
        """The answers of the policies that only compute, and the others that were asked."""
        answers: list[PolicyAnswer | None] = []
        beside: list[Asked] = []
        context = contextvars.copy_context()
        decided = False
        for evaluator in evaluators:
            answer, settings = None, None
            if evaluator.is_conditional and (not decided or evaluator.policy.veto):
                answer, settings = prepare(evaluator, facts)
            if answer is None and (not decided or evaluator.policy.veto):
                given: object = None
                probing = False
                if evaluator.in_place:
                    try:
                        answer = self.ask_in_place(evaluator, facts, settings, context)
                        decided = decided or decides(answer)
                    except AwaitableError as exc:
                        given, probing = exc.given, exc.probing
                if answer is None and given is None and evaluator.breaker.is_open:
                    # Without a task: there may be many such policies.
                    answer = evaluator.refuse(facts.of(evaluator, settings), ends_at)
                elif answer is None:
                    seen = facts.of(evaluator, settings)
                    asking = asyncio.create_task(
                        evaluator.ask_beside(seen, ends_at, given, probing=probing)
                    )
                    beside.append(Asked(len(answers), evaluator, seen, asking))
            answers.append(answer)
        return answers, beside

    def ask_in_place(
        self,
        evaluator: Evaluator,
        facts: Facts,
        settings: object,
        context: contextvars.Context,
    ) -> PolicyAnswer:
        seen = facts.of(evaluator, settings)
        answer = evaluator.ask_in_place(seen, context)
        return self.unless_changed(evaluator, answer, seen, facts) if facts.apart else answer

    def leave(self, beside: Sequence[Asked]) -> None:
        """Keep tasks until they end, whether or not a decision waits for them."""
        for asked in beside:
            self.left.add(asked.task)
            asked.task.add_done_callback(self.left.discard)

    async def wait_for(
        self, beside: Sequence[Asked], answers: list[PolicyAnswer | None], facts: Facts
    ) -> None:
        """Fill in the answers of tasks in order; one that no longer counts is left to its end."""
        for asked in beside:
            evaluator = asked.evaluator
            if not evaluator.policy.veto and any(map(decides, answers[: asked.place])):
                break
            answer = await asyncio.shield(asked.task)
            answers[asked.place] = self.unless_changed(evaluator, answer, asked.seen, facts)

    def unless_changed(
        self, evaluator: Evaluator, answer: PolicyAnswer, seen: AccessRequest, facts: Facts
    ) -> PolicyAnswer:
        """The answer; a failure instead if the policy changed the facts of its own."""
        if not facts.apart or not facts.was_changed(seen):
            return answer
        return evaluator.fail(PolicyFailure("changed_facts"), time.perf_counter())


def decides(answer: PolicyAnswer | None) -> bool:
    """Whether an answer allows or denies."""
    return answer is not None and answer.effect is not Effect.ABSTAIN
