"""The usage of organizations in memory: what was read last, and what this replica did since then.

A decision asks for the figures as they are now, without I/O. A call counts from the moment that its
decision begins, so that two calls at once are not both the last one that a limit allows; the earlier
one is not told of the later one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from policies.contract import AccessRequest, UsageFacts
from service.domain.calls import CallEnd, CallKey, NewCall, plausible_cost, plausible_duration
from service.domain.organizations import Organization
from service.domain.usage.periods import Period, billing_period, zone_of
from service.domain.usage.sums import longest_call
from service.store.usage.changes import StoredCall, UsageState

MOST_CALLS = 50_000
"""Calls whose effect waits to be read. While PostgreSQL is away, all calls do."""


@dataclass(slots=True)
class LocalCall:
    """What this replica knows of a call that the last reading may lack.

    `granted` is None while it is being decided. `counted`: the reading had the call, without its end.
    `version` counts its records; `stored`: the newest one that PostgreSQL has.
    """

    organization_id: UUID
    began_at: datetime | None = None
    granted: bool | None = None
    ended: bool = False
    seconds: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    counted: bool = False
    version: int = 1
    stored: int = 0

    @property
    def is_live(self) -> bool:
        return self.granted is not False and not self.ended

    @property
    def has_figures(self) -> bool:
        return bool(self.seconds or self.cost)

    def is_read(self, row: StoredCall | None, *, stored: bool) -> bool:
        """Whether a reading that found this row has all of the call. `stored`: it began after the
        call's last record was written."""
        if stored:
            return True
        if row is None:
            return False
        if row.organization_id != self.organization_id or not self.ended:
            return True
        return row.ended and (row.has_figures or not self.has_figures)


Noted = Mapping[tuple[str, UUID], int | None]
"""This replica's calls with their versions, None for one that is not stored."""


@dataclass(slots=True)
class UsageMemory:
    """Figures by organization. `loaded`: all organizations were read at least once."""

    loaded: bool = False
    states: dict[UUID, UsageState] = field(default_factory=dict)
    calls: dict[UUID, dict[str, LocalCall]] = field(default_factory=dict)
    places: dict[tuple[str, UUID], None] = field(default_factory=dict)
    """Every call of `calls`, the oldest first."""
    reported: dict[str, None] = field(default_factory=dict)
    """Calls whose figures were noted lately: a repeated report adds nothing."""

    def read(self, request: AccessRequest) -> UsageFacts | None:
        """The facts for an access request; None while they are unknown, or for a past period."""
        organization, call = request.organization, request.call
        state = self.states.get(organization.id)
        if state is None and not self.loaded:
            return None
        zone = zone_of(None)
        period = state.period if state else billing_period(request.plan, request.at, zone)
        if request.at < period.since:
            return None
        if request.at >= period.until:
            period, state = billing_period(request.plan, request.at, zone), None
        call_id = None if call is None else call.vapi_call_id
        return self.sum_up(organization.id, state, period, request.at, call_id)

    def limit_call(
        self, organization: Organization, reason: str, at: datetime, most: int | None
    ) -> int | None:
        """How many seconds a granted call may last: `most`, and what is left of the plan's minutes.

        An override that allows is an exception from the plan, and from its limits.
        """
        plan, state = organization.plan, self.states.get(organization.id)
        if plan is None or state is None or reason == "override_allow":
            return most
        if not state.period.since <= at < state.period.until:
            return most
        used = self.sum_up(organization.id, state, state.period, at, None).seconds
        left = longest_call(plan.limits, used)
        return min((one for one in (most, left) if one is not None), default=None)

    def sum_up(
        self,
        owner: UUID,
        state: UsageState | None,
        period: Period,
        at: datetime,
        call_id: str | None,
    ) -> UsageFacts:
        """The last reading with the effect of this replica's calls before `call_id`."""
        live = set() if state is None else state.live
        today = state is not None and at < state.day.until
        count, calls = len(live), state.calls_today if state is not None and today else 0
        seconds = Decimal(0) if state is None else state.seconds
        cost = Decimal(0) if state is None else state.cost
        for one, call in self.earlier(owner, call_id):
            count += call.is_live - (one in live)
            calls += call.granted is not False and not call.counted
            if call.began_at is not None and call.began_at >= period.since:
                seconds, cost = seconds + call.seconds, cost + call.cost
        count -= call_id in live
        return UsageFacts(count, calls, float(seconds), float(cost), *period)

    def earlier(self, owner: UUID, call_id: str | None) -> Iterator[tuple[str, LocalCall]]:
        """This replica's calls of an organization that began before one of them; None: all."""
        for one, call in self.calls.get(owner, {}).items():
            if one == call_id:
                return
            yield one, call

    def begin(self, call_id: str, owner: UUID | None) -> None:
        """A call is about to be decided."""
        if owner is not None:
            self.find_or_add(call_id, owner)

    def drop(self, call_id: str, owner: UUID | None) -> None:
        """Forget a call: it could not be decided, or a reading has all of it."""
        if owner is not None and (calls := self.calls.get(owner)) is not None:
            calls.pop(call_id, None)
            self.places.pop((call_id, owner), None)
            if not calls:
                del self.calls[owner]

    def note_call(self, call: NewCall) -> int:
        """A call was decided, and is about to be recorded; the version of this record."""
        if call.organization_id is None:
            return 0
        known = self.find_or_add(call.vapi_call_id, call.organization_id)
        known.granted, known.began_at = not call.blocked, call.started_at
        if call.ended_at is not None:
            self.add_end(call.vapi_call_id, known, call.duration_seconds, call.cost)
        known.version += 1
        return known.version

    def note_end(self, end: CallEnd, now: datetime) -> int:
        """A call's end was reported, and is about to be recorded; the version of this record."""
        if end.organization_id is None:
            return 0
        call_id, owner = end.vapi_call_id, end.organization_id
        known = self.calls.get(owner, {}).get(call_id)
        if known is None:
            known = self.find_or_add(call_id, owner)
            known.counted = True
            known.began_at = end.call.started_at if end.call else end.ended_at
            known.granted = end.call is None or not end.call.blocked
        age = now - (known.began_at or now)
        seconds = plausible_duration(end.duration_seconds, age)
        self.add_end(call_id, known, seconds, plausible_cost(end.cost, seconds, age))
        known.version += 1
        return known.version

    def note_stored(self, key: CallKey, version: int, *, granted: bool | None = None) -> None:
        """PostgreSQL has a record of a call; `granted`: by the decision that stands."""
        call_id, owner = key
        known = None if owner is None else self.calls.get(owner, {}).get(call_id)
        if known is not None:
            known.stored = max(known.stored, version)
            known.granted = known.granted if granted is None else granted

    def put(
        self,
        states: dict[UUID, UsageState],
        found: dict[str, StoredCall],
        noted: Noted,
    ) -> None:
        """Take over a reading. `noted` are this replica's calls when it began, and `found` those of
        them that have a row."""
        self.states.update(states)
        for (call_id, owner), version in noted.items():
            known = self.calls.get(owner, {}).get(call_id)
            if known is None:
                continue
            row = found.get(call_id)
            if known.is_read(row, stored=version == known.version):
                self.drop(call_id, owner)
            else:
                known.counted = row is not None

    def noted(self, owners: Iterable[UUID]) -> Noted:
        """This replica's calls of these organizations whose effect is not read yet."""
        return {
            (call_id, owner): call.version if call.stored == call.version else None
            for owner in owners
            for call_id, call in self.calls.get(owner, {}).items()
        }

    def find_or_add(self, call_id: str, owner: UUID) -> LocalCall:
        calls = self.calls.setdefault(owner, {})
        if call_id not in calls:
            state = self.states.get(owner)
            calls[call_id] = LocalCall(owner, counted=state is not None and call_id in state.live)
            self.places[call_id, owner] = None
            if len(self.places) > MOST_CALLS:
                self.drop(*next(iter(self.places)))
        return calls[call_id]

    def add_end(
        self, call_id: str, known: LocalCall, seconds: float | None, cost: Decimal | None
    ) -> None:
        known.ended = True
        if (seconds is None and cost is None) or call_id in self.reported:
            return
        self.reported[call_id] = None
        if len(self.reported) > MOST_CALLS:
            del self.reported[next(iter(self.reported))]
        known.seconds, known.cost = Decimal(str(seconds or 0)), cost or Decimal(0)
