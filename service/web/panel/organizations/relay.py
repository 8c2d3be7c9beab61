"""The card about an organization's own server: its state and what to do. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from service.domain.relay.messages import RelayState, RelayStatus
from service.domain.wording.labels import format_utc
from service.web.panel.kit.badges import Badge

BADGES: Mapping[RelayState, Badge] = {
    "off": Badge("Off"),
    "delivering": Badge("Delivering", "good"),
    "parked": Badge("Parked after failures", "bad"),
}
ADVICE: Mapping[RelayState, str] = {
    "off": "Set its address under Edit, and the organization gets the messages of its granted calls.",
    "delivering": "",
    "parked": (
        "Callgate sends one message at a time until the server takes it, then all that wait. Check "
        "that the server runs, that its address is right, and that it answers with a status of 2xx "
        "within 10 s."
    ),
}
LOST = (
    "Messages were dropped to make room for newer ones. Check that the server is fast enough for its "
    "calls."
)


@dataclass(frozen=True, slots=True)
class RelayView:
    """The card of one server."""

    url: str | None
    status: RelayStatus

    @property
    def badge(self) -> Badge:
        return BADGES[self.status.state]

    @property
    def is_parked(self) -> bool:
        return self.status.state == "parked"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What waits for it, where there is anything."""
        found = self.status
        if found.state == "off" and not found.waiting:
            return []
        facts = [("Waiting", str(found.waiting))]
        if found.oldest_at is not None:
            facts.append(("Oldest", format_utc(found.oldest_at)))
        return [*facts, ("Dropped", str(found.dropped))]

    @property
    def error(self) -> str | None:
        return self.status.last_error

    @property
    def error_at(self) -> datetime | None:
        return self.status.last_error_at

    @property
    def advice(self) -> str:
        lost = self.status.dropped and self.status.state == "delivering"
        return LOST if lost else ADVICE[self.status.state]
