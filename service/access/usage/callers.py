"""The earlier calls of callers in memory: granted inbound calls of a day, by a hash of the number.

What this replica decides counts at once, from the moment that its decision begins; what others decide
is read from PostgreSQL within a second. A caller that hides the number has no earlier calls.
"""

import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

from policies.contract import AccessRequest, CallFacts
from policies.host.callers import canonical_caller
from service.domain.usage.periods import day_of, zone_of
from service.store.usage.callers import CallerCall

INBOUND = "inboundPhoneCall"
KEPT = timedelta(hours=25)
"""The longest day: that on which clocks are set back."""
MOST_CALLS = 50_000
MOST_OF_CALLER = 500
"""Calls of one caller that are counted; the oldest are forgotten first."""


class Place(NamedTuple):
    """A call in memory: hashes of its caller and of its id."""

    caller: bytes
    call: bytes


@dataclass(slots=True)
class CallerMemory:
    """Instants of calls, by caller. `loaded`: those of the last day were read. At most `most` calls are
    kept; beyond that, counts are of fewer than all."""

    most: int = MOST_CALLS
    loaded: bool = False
    callers: dict[bytes, dict[bytes, datetime]] = field(default_factory=dict)
    order: OrderedDict[Place, datetime] = field(default_factory=OrderedDict)
    key: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def complete(self, request: AccessRequest, call: CallFacts) -> CallFacts:
        """The facts of a call with the earlier calls of its caller, where they are known."""
        if not self.loaded or call.direction != "inbound":
            return call
        caller = canonical_caller(call.caller_number)
        if caller is None:
            return call
        owner = request.organization
        place = self.place_of(owner.id, caller, call.vapi_call_id)
        instants = self.callers.get(place.caller)
        if not instants:
            return replace(call, earlier_calls_hour=0, earlier_calls_today=0)
        before = instants.get(place.call, request.at)
        hour = before - timedelta(hours=1)
        today = day_of(before, zone_of(owner.time_zone)).since
        others = [at for one, at in instants.items() if one != place.call and at <= before]
        return replace(
            call,
            earlier_calls_hour=sum(at > hour for at in others),
            earlier_calls_today=sum(at >= today for at in others),
        )

    def note(self, call: CallerCall, at: datetime, *, granted: bool = True) -> None:
        """A call began `at`, or is about to be decided; one that is not granted is forgotten."""
        caller = canonical_caller(call.caller_number) if call.type == INBOUND else None
        if caller is None or call.organization_id is None:
            return
        place = self.place_of(call.organization_id, caller, call.vapi_call_id)
        if not granted:
            self.drop(place)
        elif (known := self.order.get(place)) is None:
            self.add(place, at)
        elif at < known:
            self.order[place] = self.callers[place.caller][place.call] = at

    def add(self, place: Place, at: datetime) -> None:
        instants = self.callers.setdefault(place.caller, {})
        if len(instants) >= MOST_OF_CALLER:
            self.drop(Place(place.caller, next(iter(instants))))
        self.callers.setdefault(place.caller, {})[place.call] = at
        self.order[place] = at
        if len(self.order) > self.most:
            self.drop(next(iter(self.order)))

    def drop(self, place: Place) -> None:
        """Forget a call."""
        if self.order.pop(place, None) is None:
            return
        instants = self.callers[place.caller]
        del instants[place.call]
        if not instants:
            del self.callers[place.caller]

    def put(self, read: Iterable[CallerCall]) -> None:
        """Take over calls as PostgreSQL has them, the oldest first."""
        for call in read:
            self.note(call, call.at, granted=call.granted)

    def forget(self, now: datetime) -> None:
        """Forget calls of before the last day."""
        while self.order:
            place, at = next(iter(self.order.items()))
            if at > now - KEPT:
                return
            self.drop(place)

    def place_of(self, owner: UUID, caller: str, call_id: str) -> Place:
        return Place(self.digest(owner.bytes + caller.encode()), self.digest(call_id.encode()))

    def digest(self, value: bytes) -> bytes:
        """A hash by a key of this process: no number can be read from memory, or guessed from it."""
        return blake2b(value, digest_size=12, key=self.key).digest()
