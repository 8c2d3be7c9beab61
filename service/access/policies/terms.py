"""How a decided call goes on: what the policies that count say of it beside yes and no. Pure."""

from collections.abc import Sequence

from policies.contract import Effect
from policies.host.diversions import answer_of
from service.access.policies.combine import Outcome
from service.access.policies.evaluation import PolicyAnswer
from service.domain.decisions import NO_TERMS, CallTerms, TraceEntry


def find_terms(
    answers: Sequence[PolicyAnswer | None], trace: Sequence[TraceEntry], outcome: Outcome
) -> CallTerms:
    """The terms of a decision: words and diversion of the policy that denied, and the shortest of all
    lengths. `trace` says which answers count."""
    message = divert_to = most = None
    for answer, entry in zip(answers, trace, strict=True):
        given = None if answer is None else answer.terms
        if given is None or entry.effect == "skipped":
            continue
        if given.max_duration_seconds is not None:
            length = int(given.max_duration_seconds)
            most = length if most is None else min(most, length)
        if outcome.effect is Effect.DENY and outcome.determined_by == entry.policy:
            message = given.message
            divert_to = None if given.divert_to is None else answer_of(given.divert_to)
    if message is None and divert_to is None and most is None:
        return NO_TERMS
    return CallTerms(message, divert_to, most)
