"""The card about an organization's own server: its state and what to do. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain.wording.labels import format_seconds
from service.relay.status import OFF, RelayState, RelayStatus
from service.web.panel.kit.badges import Badge

FindRelayStatus = Callable[[UUID], RelayStatus]

BADGES: dict[RelayState, Badge] = {
    "off": Badge("Off"),
    "idle": Badge("No messages yet"),
    "delivering": Badge("Delivering", "good"),
    "paused": Badge("Paused after failures", "bad"),
}
ADVICE: dict[RelayState, str] = {
    "off": "Set its address under Edit, and the organization gets the messages of its granted calls.",
    "idle": "This replica has had no message for it since it started.",
    "delivering": "",
    "paused": (
        "Callgate tries one message at a time until the server answers. Check that the server runs, "
        "that its address is right, and that it answers with a status of 2xx within 10 s."
    ),
}
LOST = "Messages were dropped. Check that the server answers fast enough for its calls."


@dataclass(frozen=True, slots=True)
class RelayView:
    """The card of one server."""

    url: str | None
    status: RelayStatus

    @property
    def badge(self) -> Badge:
        return BADGES[self.status.state]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Counts of this replica, where there is anything to count."""
        found = self.status
        if found.state in ("off", "idle"):
            return []
        facts = [("Waiting", str(found.waiting))]
        if found.oldest_seconds is not None:
            facts.append(("Oldest", format_seconds(found.oldest_seconds)))
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


def relay_view(url: str | None, organization_id: UUID, find: FindRelayStatus) -> RelayView:
    """The card; a server without an address is off, whatever was delivered before."""
    return RelayView(url, find(organization_id) if url else OFF)
