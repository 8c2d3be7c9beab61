"""How a decided call goes on: what the policies that count say of it beside yes and no. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from policies.contract import Effect, Verdict
from policies.host.diversions import answer_of
from service.access.policies.combine import Outcome
from service.domain.decisions import NO_TERMS, CallTerms, TraceEntry


def terms_of(verdict: Verdict) -> CallTerms:
    """What one verdict says."""
    most, divert_to = verdict.max_duration_seconds, verdict.divert_to
    until = verdict.until if verdict.effect is Effect.DENY else None
    if most is None and divert_to is None and verdict.message is None and until is None:
        return NO_TERMS
    return CallTerms(
        verdict.message,
        None if divert_to is None else answer_of(divert_to),
        None if most is None else int(most),
        until,
    )


def find_terms(trace: Sequence[TraceEntry], outcome: Outcome) -> CallTerms:
    """The terms of a decision: words, diversion and time of the policy that denied, and the shortest of
    all lengths."""
    if all(entry.terms is NO_TERMS for entry in trace):
        return NO_TERMS
    lengths = [entry.terms.max_duration_seconds for entry in trace]
    most = min((one for one in lengths if one is not None), default=None)
    found = CallTerms(max_duration_seconds=most)
    for entry in trace:
        if outcome.effect is Effect.DENY and entry.policy == outcome.determined_by:
            found = replace(entry.terms, max_duration_seconds=most)
    return NO_TERMS if found == NO_TERMS else found
