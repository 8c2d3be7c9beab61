"""What a list of calls is filtered by."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from service.domain.call_records.details import DIRECTIONS
from service.domain.calls import Call
from service.domain.decisions import decider_of

TYPES: Mapping[str, str] = {direction: call_type for call_type, direction in DIRECTIONS.items()}


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Filters on calls; None matches all. `since` and `until` compare when a call was recorded; `live`:
    under way, or over. `policy`: its verdict decided, see `decider_of`. `claimed_since`: messages since
    then named another organization, too. `refused`: see `Call.is_refused`. `diverted`: see
    `Call.is_diverted`."""

    organization_id: UUID | None = None
    phone_number_id: UUID | None = None
    blocked: bool | None = None
    reason: str | None = None
    gate: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    live: bool | None = None
    unanswered: bool | None = None
    policy: str | None = None
    hangup: str | None = None
    claimed_since: datetime | None = None
    direction: str | None = None
    refused: bool | None = None
    diverted: bool | None = None

    @property
    def others(self) -> tuple[object, ...]:
        """The parameters of `OTHERS`."""
        return (
            self.organization_id,
            self.phone_number_id,
            self.blocked,
            self.reason,
            self.gate,
            self.live,
            self.unanswered,
            self.policy,
            self.hangup,
            self.claimed_since,
            self.direction and TYPES.get(self.direction, self.direction),
            self.refused,
            self.diverted,
        )

    def matches(self, call: Call) -> bool:
        """Whether a call passes the filters; `since`, `until` and `claimed_since` are ignored."""
        wanted = (
            (self.organization_id, call.organization_id),
            (self.phone_number_id, call.phone_number_id),
            (self.blocked, call.blocked),
            (self.reason, call.reason),
            (self.gate, call.gate),
            (self.live, call.is_live(datetime.now(UTC))),
            (self.unanswered, call.is_unanswered),
            (self.policy, decider_of(call.decision)),
            (self.hangup, call.hangup and call.hangup.state.value),
            (self.direction, call.direction),
            (self.refused, call.is_refused),
            (self.diverted, call.is_diverted),
        )
        return all(asked is None or asked == has for asked, has in wanted)
