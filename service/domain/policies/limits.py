"""Limits on calls under way: which calls are let in, and the denial of one that finds none free. Pure.

A call that is let in holds a slot of each of its limits, by the limit's name, until its end is proved.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID, uuid5

from policies.contract import Effect
from service.domain.calls import NewCall
from service.domain.decisions import Decision, SlotUse

LimitKey = tuple[UUID, str]
"""What is counted: an organization, and the name of a limit."""


def apply_limits(decision: Decision, measure: Callable[[SlotUse], SlotUse]) -> Decision:
    """The decision with the use of its limits, as `measure` completes it; a denial, with an id of its
    own, by the first in the chain's order that is full."""
    if not decision.allowed or not decision.limits:
        return decision
    trace = [
        replace(entry, limits=tuple(map(measure, entry.limits))) if entry.limits else entry
        for entry in decision.trace
    ]
    for place, entry in enumerate(trace):
        for limit in entry.limits if entry.mode == "enforce" else ():
            if limit.is_full:
                trace[place] = replace(entry, effect="deny", reason=limit.reason)
                longest = decision.terms.max_duration_seconds
                return replace(
                    decision,
                    id=uuid5(decision.id, limit.name),
                    effect=Effect.DENY,
                    reason=limit.reason,
                    determined_by=entry.policy,
                    trace=tuple(trace),
                    terms=replace(entry.terms, max_duration_seconds=longest),
                )
    return replace(decision, trace=tuple(trace))


def used_in(decision: Decision) -> Callable[[SlotUse], SlotUse]:
    """Measures limits by what was in use when a decision was made; those that it does not name, by
    nothing."""
    known = {limit.name: limit for limit in decision.limits}

    def measure(limit: SlotUse) -> SlotUse:
        used = known.get(limit.name, limit)
        return replace(limit, in_use=used.in_use, share=used.share)

    return measure


def let_in(calls: Iterable[NewCall], in_use: Mapping[LimitKey, int]) -> list[NewCall]:
    """The calls as they are let in or denied, one after the other, with so many slots in use before."""
    counts, decided = Counter(in_use), []
    for call in calls:
        if not call.wants_slots or (owner := call.organization_id) is None:
            decided.append(call)
            continue

        def count(limit: SlotUse, owner: UUID = owner) -> SlotUse:
            return replace(limit, in_use=counts[owner, limit.name])

        fresh = call.decided(apply_limits(call.decision, count))
        counts.update((owner, name) for name in fresh.slots)
        decided.append(fresh)
    return decided


def share_of(free: int, place: int, replicas: int) -> int:
    """How many of `free` slots belong to the replica at `place` among so many: all shares together are
    exactly `free`, and the first ones get one more where it does not divide evenly."""
    part, rest = divmod(free, replicas)
    return part + (place < rest)


def place_of(me: UUID | None, replicas: Sequence[UUID]) -> tuple[int, int]:
    """The place of a replica among those that are alive, and their number; it counts itself."""
    ordered = sorted({*replicas, me} if me else replicas)
    return (ordered.index(me) if me else 0), max(len(ordered), 1)
