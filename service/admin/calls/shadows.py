"""What policies in shadow answered about calls, in the traces of their decisions."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

from service.domain.calls import Call
from service.domain.decisions import CountedAs, Decision, TraceEffect, TraceEntry
from service.domain.policies.shadow import ShadowVerdict
from service.store.policies.shadow_verdicts import find_of_calls
from service.store.pool import Pool


async def add_shadows(pool: Pool, calls: Sequence[Call]) -> list[Call]:
    """The calls with the recorded answers of their policies in shadow."""
    asked = [call.vapi_call_id for call in calls if has_shadow(call.decision)]
    if not asked:
        return list(calls)
    found = await find_of_calls(pool, asked)
    return [
        replace(call, decision=complete(call.decision, found[key]))
        if call.organization_id is not None
        and (key := (call.vapi_call_id, call.organization_id)) in found
        else call
        for call in calls
    ]


def has_shadow(decision: Decision) -> bool:
    """Whether a policy was in shadow at a decision."""
    return any(entry.mode == "shadow" for entry in decision.trace)


def complete(decision: Decision, verdicts: Iterable[ShadowVerdict]) -> Decision:
    """The decision with the verdicts at the places of their policies."""
    answers = {one.policy: entry_of(one) for one in verdicts}
    return replace(
        decision,
        trace=tuple(
            answers.get(entry.policy, entry) if entry.mode == "shadow" else entry
            for entry in decision.trace
        ),
    )


def entry_of(verdict: ShadowVerdict) -> TraceEntry:
    return TraceEntry(
        verdict.policy,
        cast("TraceEffect", verdict.effect),
        verdict.reason,
        cast("CountedAs | None", verdict.counted_as),
        verdict.duration_ms,
        mode="shadow",
    )
