"""The usage of organizations in memory: what was read last, and what this replica did since then.

A decision asks for the figures as they are now, without I/O. A call counts from the moment that its
decision begins, so that two calls at once are not both the last one that a limit allows; the earlier
one is not told of the later one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from policies.contract import AccessRequest, UsageFacts
from service.access.usage.local_calls import LocalCall, LocalCalls, UsageEffect
from service.domain.calls import CallEnd, CallKey, NewCall, plausible_cost, plausible_duration
from service.domain.organizations import Organization
from service.domain.usage.periods import Period, billing_period, zone_of
from service.domain.usage.sums import longest_call
from service.store.usage.changes import StoredCall, UsageState

MOST_CALLS = 50_000
"""Calls whose effect waits to be read. While PostgreSQL is away, all calls do."""

EXCEPTIONS = ("override_allow", "trial_active")
"""Reasons of grants that do not come from the plan."""

Noted = Mapping[tuple[str, UUID], int | None]
"""This replica's calls with their versions, None for one that is not stored."""


@dataclass(slots=True)
class UsageMemory:
    """Figures by organization. `loaded`: all organizations were read at least once."""

    loaded: bool = False
    states: dict[UUID, UsageState] = field(default_factory=dict)
    calls: dict[UUID, LocalCalls] = field(default_factory=dict)
    places: dict[tuple[str, UUID], None] = field(default_factory=dict)
    """Every call of `calls`, the oldest first."""
    reported: dict[str, None] = field(default_factory=dict)
    """Calls whose figures were noted lately: a repeated report adds nothing."""

    def read(self, request: AccessRequest) -> UsageFacts | None:
        """The facts for an access request; None while they are unknown, for a past period, or for a new
        plan whose period was not read yet. What an admin supposes is judged by the present usage."""
        organization, call = request.organization, request.call
        state = self.states.get(organization.id)
        if state is None and not self.loaded:
            return None
        period = billing_period(request.plan, request.at, zone_of(organization.time_zone))
        if state is not None:
            if (
                request.purpose == "preview"
                and state.period.since <= request.at < state.period.until
            ):
                period = state.period
            if not has_usage_of(state, period):
                return None
        call_id = None if call is None else call.vapi_call_id
        return self.sum_up(organization.id, state, period, request.at, call_id)

    def limit_call(
        self, organization: Organization, reason: str, at: datetime, most: int | None
    ) -> int | None:
        """How many seconds a granted call may last: `most`, and what is left of the plan's minutes.

        A call that an override or a trial grants is an exception from the plan, and from its limits.
        """
        plan, state = organization.plan, self.states.get(organization.id)
        if plan is None or plan.limits is None or plan.limits.minutes is None:
            return most
        if state is None or reason in EXCEPTIONS:
            return most
        period = billing_period(plan, at, zone_of(organization.time_zone))
        if not has_usage_of(state, period):
            return most
        used = self.sum_up(organization.id, state, period, at, None).seconds
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
        """The last reading with the effect of this replica's calls before `call_id`; that one is not
        counted against itself where it is under way already."""
        live = frozenset[str]() if state is None else state.live
        itself = int(call_id in live)
        today = state is not None and at < state.day.until
        calls = max(state.calls_today - itself, 0) if state is not None and today else 0
        found = UsageEffect(len(live) - itself, calls)
        in_period = 0
        if state is not None and state.period == period:
            in_period = max(state.calls - itself, 0)
            found = found._replace(seconds=state.seconds, cost=state.cost)
        if (local := self.calls.get(owner)) is not None:
            found = found.plus(local.sum_up(state, period.since, call_id))
        return UsageFacts(
            found.live,
            found.calls,
            float(found.seconds),
            float(found.cost),
            *period,
            in_period + found.calls - calls,
        )

    def begin(self, call_id: str, owner: UUID | None) -> None:
        """A call is about to be decided."""
        if owner is not None:
            self.find_or_add(call_id, owner)

    def drop(self, call_id: str, owner: UUID | None) -> None:
        """Forget a call: it could not be decided, or a reading has all of it."""
        if owner is not None and (local := self.calls.get(owner)) is not None:
            local.calls.pop(call_id, None)
            local.refresh(call_id)
            self.places.pop((call_id, owner), None)
            if not local.calls:
                del self.calls[owner]

    def note_call(self, call: NewCall) -> int:
        """A call was decided, and is about to be recorded; the version of this record."""
        if call.organization_id is None:
            return 0
        known = self.find_or_add(call.vapi_call_id, call.organization_id)
        known.granted, known.began_at = not call.blocked, call.started_at
        if call.ended_at is not None:
            self.add_end(call.vapi_call_id, known, call.duration_seconds, call.cost)
        self.calls[call.organization_id].refresh(call.vapi_call_id)
        known.version += 1
        return known.version

    def note_end(self, end: CallEnd, now: datetime) -> int:
        """A call's end was reported, and is about to be recorded; the version of this record."""
        if end.organization_id is None:
            return 0
        call_id, owner = end.vapi_call_id, end.organization_id
        known = self.find(call_id, owner)
        if known is None:
            known = self.find_or_add(call_id, owner)
            known.counted = True
            known.began_at = end.call.started_at if end.call else end.ended_at
            known.granted = end.call is None or not end.call.blocked
        age = now - (known.began_at or now)
        seconds = plausible_duration(end.duration_seconds, age)
        self.add_end(call_id, known, seconds, plausible_cost(end.cost, seconds, age))
        self.calls[owner].refresh(call_id)
        known.version += 1
        return known.version

    def note_stored(self, key: CallKey, version: int, *, granted: bool | None = None) -> None:
        """PostgreSQL has a record of a call; `granted`: by the decision that stands."""
        call_id, owner = key
        known = self.find(call_id, owner)
        if known is not None and owner is not None:
            known.stored = max(known.stored, version)
            known.granted = known.granted if granted is None else granted
            self.calls[owner].refresh(call_id)

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
            known = self.find(call_id, owner)
            if known is None:
                continue
            row = found.get(call_id)
            if known.is_read(row, stored=version == known.version):
                self.drop(call_id, owner)
            else:
                known.counted = row is not None
                self.calls[owner].refresh(call_id)

    def noted(self, owners: Iterable[UUID]) -> Noted:
        """This replica's calls of these organizations whose effect is not read yet."""
        return {
            (call_id, owner): call.version if call.stored == call.version else None
            for owner in owners
            if owner in self.calls
            for call_id, call in self.calls[owner].calls.items()
        }

    def find(self, call_id: str, owner: UUID | None) -> LocalCall | None:
        local = None if owner is None else self.calls.get(owner)
        return None if local is None else local.calls.get(call_id)

    def find_or_add(self, call_id: str, owner: UUID) -> LocalCall:
        local = self.calls.setdefault(owner, LocalCalls())
        if call_id not in local.calls:
            state = self.states.get(owner)
            counted = state is not None and call_id in state.live
            local.calls[call_id] = LocalCall(owner, counted=counted)
            local.refresh(call_id)
            self.places[call_id, owner] = None
            if len(self.places) > MOST_CALLS:
                self.drop(*next(iter(self.places)))
        return local.calls[call_id]

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


def has_usage_of(state: UsageState, period: Period) -> bool:
    """Whether a reading tells the usage of a period: of its own, and of one that began since, in which
    nothing was used yet."""
    return period == state.period or period.since >= state.period.until
