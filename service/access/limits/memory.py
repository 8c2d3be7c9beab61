"""The slots of limits in memory: what was read last, and what this replica did since then.

It says how much of a limit is in use, and decides while PostgreSQL cannot count: then each replica
keeps to its share of what was free at the last reading, so that all of them together let in no more
than that. What other replicas let in between their last reading and the outage is unknown.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from service.domain.calls import NewCall
from service.domain.decisions import Decision, SlotUse, TraceEntry
from service.domain.policies.limits import LimitKey, apply_limits, place_of, share_of
from service.store.calls.limits.slots import SlotReading

MOST_FREED = 50_000
BEFORE = timedelta(microseconds=1)
"""How much earlier than a count in PostgreSQL a decision without it is dated: should that count have
been committed all the same, the decision that was acted on outranks it (`store/calls/corrections`)."""
UNREAD = 1
"""How many calls a replica lets in that has never read what is in use, as after a start in an outage."""
SHOWN_SECONDS = 60.0
"""How long after the last decision by its share a replica says so."""


SETTLED_SECONDS = 5.0
"""How long after its last decision by share a replica takes a later reading for the next ones: by then
PostgreSQL has what the others let in."""


@dataclass(slots=True)
class Share:
    """What a replica's share is measured by: a reading, and the slots that it gave out since, less those
    that became free here. No later reading changes it: others may have let calls in by their shares."""

    counts: Mapping[LimitKey, int]
    place: int
    replicas: int
    used: Counter[LimitKey]

    def measure(self, key: LimitKey, limit: SlotUse) -> SlotUse:
        """The limit with what is in use, and up to where the replica lets calls in by itself."""
        held = self.counts.get(key, 0)
        share = held + share_of(limit.capacity - held, self.place, self.replicas)
        return replace(limit, in_use=held + self.used[key], share=min(share, limit.capacity))


class Held(NamedTuple):
    """A call's slots."""

    organization_id: UUID
    names: Sequence[str]

    def list_keys(self) -> list[LimitKey]:
        return [(self.organization_id, name) for name in self.names]


@dataclass(slots=True)
class LimitMemory:
    """What is in use. `loaded`: the slots were read at least once."""

    loaded: bool = False
    counts: Mapping[LimitKey, int] = field(default_factory=dict)
    place: int = 0
    replicas: int = 1
    extra: Counter[LimitKey] = field(default_factory=Counter)
    """What `own` and `ended` add to `counts`."""
    own: dict[str, Held] = field(default_factory=dict)
    """Calls that this replica let in, and that the last reading lacks."""
    ended: dict[str, Held] = field(default_factory=dict)
    """Calls whose end this replica recorded, and that the last reading shows under way."""
    freed: dict[str, None] = field(default_factory=dict)
    """Calls whose end was noted lately: a repeated report frees nothing."""
    share: Share | None = None
    shared_at: float = float("-inf")
    changes: int = 0
    """How many calls with slots began or ended here."""
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many calls were let in and denied, by who counted: for the metrics."""

    @property
    def by_share(self) -> bool:
        """Whether this replica lately let calls in by its share alone."""
        return time.monotonic() - self.shared_at < SHOWN_SECONDS

    def complete(self, owner: UUID, trace: Sequence[TraceEntry]) -> list[TraceEntry]:
        """The entries with what is in use of their limits now, as far as this replica knows."""
        return [
            replace(entry, limits=tuple(self.measure(owner, limit) for limit in entry.limits))
            for entry in trace
        ]

    def measure(self, owner: UUID, limit: SlotUse) -> SlotUse:
        key = owner, limit.name
        known = self.loaded or key in self.extra
        return replace(limit, in_use=self.count(key)) if known else limit

    def count(self, key: LimitKey) -> int:
        return max(self.counts.get(key, 0) + self.extra[key], 0)

    def decide_by_share(self, call: NewCall) -> NewCall:
        """The call as this replica's share of its limits lets it in or denies it."""
        if not call.wants_slots or (owner := call.organization_id) is None:
            return call
        share, now = self.share, time.monotonic()
        if share is None or now - self.shared_at > SETTLED_SECONDS:
            share = Share(self.counts, self.place, self.replicas, Counter(self.extra))
        self.share, self.shared_at = share, now
        given = replace(
            call.decision,
            basis="last_known_good" if call.decision.basis == "fresh" else call.decision.basis,
            decided_at=call.decision.decided_at - BEFORE,
        )

        def measure(limit: SlotUse) -> SlotUse:
            found = share.measure((owner, limit.name), limit)
            return found if self.loaded else replace(found, share=min(UNREAD, limit.capacity))

        return call.decided(apply_limits(given, measure))

    def note_decision(self, decision: Decision) -> None:
        """Count a decision on a call that stated limits."""
        uses = decision.limits
        if uses and all(limit.in_use is not None for limit in uses):
            basis = "share" if any(limit.share is not None for limit in uses) else "counted"
            result = "denied" if any(limit.is_full for limit in uses) else "let_in"
            self.outcomes[result, basis] += 1

    def note_call(self, call: NewCall) -> None:
        """A call was let in here. A reading that has its row counts it from then on."""
        if call.slots and call.organization_id is not None and call.ended_at is None:
            self.add(call.vapi_call_id, Held(call.organization_id, call.slots))

    def add(self, call_id: str, held: Held) -> None:
        if call_id not in self.own and call_id not in self.freed:
            self.own[call_id] = held
            self.change(held, 1)

    def note_end(self, call_id: str, owner: UUID | None, names: Sequence[str]) -> None:
        """A call ended, and the end is recorded or spooled; `names`: the slots that it held."""
        held = self.own.get(call_id) or (Held(owner, names) if owner and names else None)
        if held is None or call_id in self.freed:
            return
        self.freed[call_id] = None
        if len(self.freed) > MOST_FREED:
            del self.freed[next(iter(self.freed))]
        if self.own.pop(call_id, None) is None:
            self.ended[call_id] = held
        self.change(held, -1)

    def change(self, held: Held, by: int) -> None:
        """Count slots that were given out or became free here."""
        self.changes += 1
        for key in held.list_keys():
            self.extra[key] += by
            if self.share is not None:
                self.share.used[key] += by

    def noted(self) -> dict[str, Held]:
        """The calls that the next reading is to look for."""
        return {**self.ended, **self.own}

    def put(self, reading: SlotReading, noted: Mapping[str, Held], me: UUID | None) -> None:
        """Take over a reading, which looked for the calls that were `noted` when it began."""
        for call_id, held in noted.items():
            holds = reading.found.get(call_id)
            if call_id in self.own:
                if holds is not None:
                    self.own.pop(call_id)
            elif call_id in self.ended:
                if not holds:
                    self.ended.pop(call_id)
            elif holds:
                self.ended[call_id] = held  # let in here, and ended while this was read
        self.counts, self.loaded = reading.counts, True
        self.place, self.replicas = place_of(me, reading.replicas)
        self.extra = Counter(key for held in self.own.values() for key in held.list_keys())
        self.extra.subtract(key for held in self.ended.values() for key in held.list_keys())
