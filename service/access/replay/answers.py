"""Asks one policy about a recorded call, or takes its answer from the call's record. No I/O.

A policy that only computes is asked again. Another one may count, remember or ask a server, now for a
call of then: it is not asked unless the operator names it, and its recorded answer stands.
"""

import contextvars
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from policies.contract import AccessRequest, Effect
from policies.host.isolation import PolicyFailure
from policies.host.registration import RegisteredPolicy
from service.access.policies.combine import FAILED_REASON
from service.access.policies.evaluation import COUNTED_AS, Evaluator, PolicyAnswer
from service.access.replay.watched_facts import watch
from service.domain.decisions import Decision, TraceEntry
from service.domain.policies.replays import Obstacle, ObstacleKind

MESSAGE = "call.message"
NOT_STORED = "not_stored"
"""The reason of an answer that would be a guess."""


@dataclass(slots=True)
class CallUnderReplay:
    """A recorded call that is decided again: facts that are not stored, and what stood in the way."""

    recorded: Decision
    unstored: AbstractSet[str]
    obstacles: dict[str, Obstacle] = field(default_factory=dict)
    noted: dict[str, set[str]] = field(default_factory=dict)
    """By policy: the facts among them that it read."""

    def find_recorded(self, policy: str) -> TraceEntry | None:
        """What the policy answered then; None: it was not asked, or was not there."""
        for entry in self.recorded.trace:
            if entry.policy == policy and entry.effect != "skipped":
                return entry
        return None

    def miss(self, policy: str, kind: ObstacleKind, details: str | None = None) -> PolicyAnswer:
        """The answer of a policy that is not known."""
        self.obstacles[policy] = Obstacle(kind, policy, details)
        return PolicyAnswer(Effect.ABSTAIN, None, TraceEntry(policy, "failed", NOT_STORED))


Calls = dict[str, CallUnderReplay]
"""The calls that are decided now, by their ids at Vapi."""


class ReplayEvaluator(Evaluator):
    """One policy in a replay: without a breaker, and without a log of its failures. `is_asked`: it is
    asked again, though it does not only compute."""

    def __init__(self, policy: RegisteredPolicy, calls: Calls, *, is_asked: bool) -> None:
        super().__init__(policy)
        self.calls = calls
        self.is_asked = is_asked or policy.pure
        self.in_place = self.in_place or not self.is_asked

    def ask_in_place(self, request: AccessRequest, context: contextvars.Context) -> PolicyAnswer:
        """Its answer to the facts of then, or its recorded one."""
        call = self.call_of(request)
        known = self.answer_unasked(call)
        if known is not None:
            return known
        return self.unless_noted(call, super().ask_in_place(self.watch(request, call), context))

    async def ask_beside(
        self,
        request: AccessRequest,
        ends_at: float,
        given: object = None,
        *,
        probing: bool = False,
    ) -> PolicyAnswer:
        """Likewise, from a thread or a task."""
        call = self.call_of(request)
        known = None if given is not None else self.answer_unasked(call)
        if known is not None:
            return known
        seen = self.watch(request, call)
        answer = await super().ask_beside(seen, ends_at, given, probing=probing)
        return self.unless_noted(call, answer)

    def call_of(self, request: AccessRequest) -> CallUnderReplay:
        assert request.call is not None
        return self.calls[request.call.vapi_call_id]

    def watch(self, request: AccessRequest, call: CallUnderReplay) -> AccessRequest:
        """What it sees: the facts that are not stored are noted when it reads them."""
        return watch(request, call.unstored, call.noted.setdefault(self.policy.name, set()))

    def answer_unasked(self, call: CallUnderReplay) -> PolicyAnswer | None:
        """Its answer where it is not asked again; None: it is asked."""
        name, applies = self.policy.name, self.policy.applies_to
        if applies is not None and applies.messages is not None and MESSAGE in call.unstored:
            return call.miss(name, "facts_not_stored", MESSAGE)
        if self.is_asked:
            return None
        recorded = call.find_recorded(name)
        if recorded is None:
            return call.miss(name, "answer_not_stored")
        effect = COUNTED_AS[recorded.counted_as or recorded.effect]
        reason = recorded.reason
        if recorded.effect == "failed":
            reason = None if effect is Effect.ABSTAIN else FAILED_REASON
        return PolicyAnswer(effect, reason, recorded)

    def unless_noted(self, call: CallUnderReplay, answer: PolicyAnswer) -> PolicyAnswer:
        """The answer, unless it depends on facts that are not stored."""
        noted = call.noted.get(self.policy.name)
        if not noted:
            return answer
        return call.miss(self.policy.name, "facts_not_stored", ", ".join(sorted(noted)))

    def pass_breaker(self) -> bool:
        """It is never suspended: the calls of weeks are asked about within seconds."""
        return False

    def count_failure(self, failure: PolicyFailure, *, probing: bool) -> None:
        """Not counted and not logged: the comparison shows what a failure changes."""

    def note_slow(self, stops: int | None) -> None:
        """Not counted."""
