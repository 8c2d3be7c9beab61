"""Tells the observers of a replica what happens to calls: each event once, after the fact.

It tells an end again only when its figures have changed: a report may bring what a status lacks, and
Vapi's record what the report lacks.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple, TypeVar
from uuid import UUID

from policies.events import CallDecision, CallEvent, CallEventKind
from service.access.directory import AccessDirectory
from service.access.known_calls import KnownCalls
from service.access.observers.call_observer import CallObserver, ObserverHealth
from service.domain.calls import CallEnd, NewCall, plausible_cost, plausible_duration
from service.domain.decisions import Decision

MOST_TOLD = 10_000
STOP_SECONDS = 1.0
"""How long the observers may take for the events that wait when the service stops."""

Figure = TypeVar("Figure")


class ToldEnd(NamedTuple):
    """The figures of an end, as the observers have them."""

    ended_reason: str | None
    duration_seconds: float | None
    cost: Decimal | None


@dataclass(slots=True)
class CallObservers:
    """Without observers it does nothing. Every method returns at once and never raises.

    `told` are the last ends, with their figures.
    """

    observers: Sequence[CallObserver] = ()
    directory: AccessDirectory = field(default_factory=AccessDirectory)
    known: KnownCalls = field(default_factory=KnownCalls)
    told: OrderedDict[tuple[str, str], ToldEnd] = field(default_factory=OrderedDict)

    def start(self) -> None:
        """Start the threads of the observers, once."""
        for observer in self.observers:
            if observer.thread is None:
                observer.start()

    async def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Let the observers have what waits, at most so long; a thread that hangs is left behind."""
        ends_at = time.monotonic() + seconds
        for observer in self.observers:
            observer.finish()
        while time.monotonic() < ends_at and any(one.alive for one in self.observers):
            await asyncio.sleep(0.01)

    def describe(self) -> list[ObserverHealth]:
        """The observers with their counts."""
        return [observer.health for observer in self.observers]

    def tell_decided(self, call: NewCall) -> None:
        """A call was decided and recorded; it may be over already."""
        if not self.observers:
            return
        told = replace(
            self.event("decided", call.vapi_call_id, call.organization_id),
            decision=decision_of_event(call.decision),
            started_at=call.started_at,
        )
        self.tell(told)
        if call.ended_at is not None and call.hangup_after_seconds is None:
            self.tell_figures(
                replace(
                    told,
                    kind="ended",
                    ended_at=call.ended_at,
                    ended_reason=call.ended_reason,
                    duration_seconds=call.duration_seconds,
                    cost=call.cost,
                )
            )

    def tell_cut(self, call_id: str, organization_id: UUID, reason: str) -> None:
        """An allowed call is being ended."""
        if self.observers:
            event = self.event("cut", call_id, organization_id)
            self.tell(replace(event, cut_reason=reason))

    def tell_ended(
        self, end: CallEnd, organization_id: UUID | None, *, hung_up: bool = False
    ) -> None:
        """A call is over; `hung_up`: Vapi confirmed it of a call that was denied or cut."""
        if not self.observers:
            return
        kind: CallEventKind = "hung_up" if hung_up else "ended"
        began_at = end.call.started_at if end.call else None
        age = self.directory.now() - (began_at or end.ended_at)
        duration = end.duration_seconds
        if end.proof == "message":
            duration = plausible_duration(duration, age)
        self.tell_figures(
            replace(
                self.event(kind, end.vapi_call_id, organization_id),
                started_at=began_at,
                ended_at=end.ended_at,
                ended_reason=end.ended_reason,
                duration_seconds=duration,
                cost=end.cost if end.proof == "vapi" else plausible_cost(end.cost, duration, age),
            )
        )

    def tell_figures(self, event: CallEvent) -> None:
        """Tell an end with all that is known of it, unless this brings nothing new."""
        key = event.vapi_call_id, event.kind
        before = self.told.get(key)
        if before is not None:
            event = replace(
                event,
                ended_reason=event.ended_reason or before.ended_reason,
                duration_seconds=first_known(event.duration_seconds, before.duration_seconds),
                cost=first_known(event.cost, before.cost),
            )
        figures = ToldEnd(event.ended_reason, event.duration_seconds, event.cost)
        if figures == before:
            return
        self.told[key] = figures
        while len(self.told) > MOST_TOLD:
            self.told.popitem(last=False)
        self.tell(event)

    def tell(self, event: CallEvent) -> None:
        for observer in self.observers:
            observer.offer(event)

    def event(self, kind: CallEventKind, call_id: str, organization_id: UUID | None) -> CallEvent:
        """An event of now, with what this replica remembers of the call."""
        entry = None if organization_id is None else self.directory.entries.get(organization_id)
        known = self.known.calls.get(call_id)
        decision = None
        if known is not None and known.organization_id == organization_id:
            decision = CallDecision(
                UUID(known.decision_id),
                known.allowed,
                known.reason,
                known.determined_by,
                known.diverted,
            )
        return CallEvent(
            kind,
            self.directory.now(),
            call_id,
            organization_id,
            None if entry is None else entry.organization.name,
            decision,
        )


def first_known(one: Figure | None, other: Figure | None) -> Figure | None:
    return other if one is None else one


def decision_of_event(given: Decision) -> CallDecision:
    """A decision as observers see it."""
    return CallDecision(given.id, given.allowed, given.reason, given.determined_by, given.diverts)
