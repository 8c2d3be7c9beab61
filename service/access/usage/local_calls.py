"""What this replica did and the last reading may lack: calls of one organization, and their effect.

The effect of all of them is kept as one total: while PostgreSQL is away they are many, and each decision
asks.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from service.store.usage.changes import StoredCall, UsageState


class UsageEffect(NamedTuple):
    """What calls add to a reading."""

    live: int = 0
    calls: int = 0
    seconds: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)

    def plus(self, other: "UsageEffect", sign: int = 1) -> "UsageEffect":
        return UsageEffect(
            self.live + sign * other.live,
            self.calls + sign * other.calls,
            self.seconds + sign * other.seconds,
            self.cost + sign * other.cost,
        )


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

    def effect(self, *, in_reading: bool, since: datetime) -> UsageEffect:
        """What it adds to a reading of a period; `in_reading`: there it is live."""
        in_period = self.began_at is not None and self.began_at >= since
        return UsageEffect(
            self.is_live - in_reading,
            int(self.granted is not False and not self.counted),
            self.seconds if in_period else Decimal(0),
            self.cost if in_period else Decimal(0),
        )


@dataclass(slots=True)
class LocalCalls:
    """The calls of one organization, the oldest first, with their effect on one reading and period."""

    calls: dict[str, LocalCall] = field(default_factory=dict)
    state: UsageState | None = None
    since: datetime | None = None
    effects: dict[str, UsageEffect] = field(default_factory=dict)
    total: UsageEffect = field(default_factory=UsageEffect)

    def sum_up(self, state: UsageState | None, since: datetime, before: str | None) -> UsageEffect:
        """The effect of all calls, or of those before one of them."""
        if state is not self.state or since != self.since:
            self.state, self.since, self.total = state, since, UsageEffect()
            self.effects.clear()
            for call_id in self.calls:
                self.refresh(call_id)
        found = self.total
        if before in self.effects:
            for call_id in reversed(self.calls):
                found = found.plus(self.effects[call_id], -1)
                if call_id == before:
                    break
        return found

    def refresh(self, call_id: str) -> None:
        """Bring the total up to date after a call was added, changed or removed."""
        if self.since is None:
            return
        self.total = self.total.plus(self.effects.pop(call_id, UsageEffect()), -1)
        if (call := self.calls.get(call_id)) is not None:
            live = self.state is not None and call_id in self.state.live
            effect = call.effect(in_reading=live, since=self.since)
            self.effects[call_id] = effect
            self.total = self.total.plus(effect)
