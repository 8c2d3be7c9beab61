"""A relayed message as pages print it: a row of the list, and its own page. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from service.domain.relay.messages import RelayedMessage, RelayMessageState, RelayStatus
from service.store.relay.bounds import KEPT
from service.web.panel.kit.badges import Badge
from service.web.panel.kit.links import NONE, TextLink
from service.web.panel.kit.visit import ROOT

STATES: Mapping[RelayMessageState, Badge] = {
    "waiting": Badge("Waiting", "wait"),
    "failed": Badge("Failed", "bad"),
    "delivered": Badge("Delivered", "good"),
    "expired": Badge("Expired", "bad"),
    "dropped": Badge("Dropped", "bad"),
}
CHOICES: Mapping[RelayMessageState, str] = {
    "waiting": "Waiting, failed ones too",
    "failed": "Failed, will be retried",
    "delivered": "Delivered",
    "expired": "Expired",
    "dropped": "Dropped",
}
"""The options of the filter."""
ENDS: Mapping[RelayMessageState, str] = {
    "delivered": "Delivered",
    "expired": "Expired",
    "dropped": "Dropped",
}
SHOWN_OF_ID = 8
KIBIBYTE = 1024


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message. `relay` is the page of its organization's messages, `status` its server's state."""

    message: RelayedMessage
    status: RelayStatus
    relay: str

    @property
    def address(self) -> str:
        return f"{self.relay}/messages/{self.message.id}"

    @property
    def badge(self) -> Badge:
        return STATES[self.message.state]

    @property
    def call(self) -> TextLink:
        """The call, by the beginning of its id at Vapi."""
        found = self.message
        if not found.vapi_call_id:
            return NONE
        short = found.vapi_call_id[:SHOWN_OF_ID]
        text = found.vapi_call_id if short == found.vapi_call_id else f"{short}…"
        return TextLink(text, f"{ROOT}/calls/{found.call_id}" if found.call_id else "")

    @property
    def next_at(self) -> datetime | None:
        """When the next attempt is due; None if something else decides when it comes."""
        found = self.message
        waits = found.outcome is None and not found.claimed and self.status.state == "delivering"
        return found.due_at if waits and found.due_at > datetime.now(UTC) else None

    @property
    def next_text(self) -> str:
        """When the next attempt comes, where it has no instant."""
        if self.message.outcome is not None:
            return "—"
        if self.message.claimed:
            return "in progress"
        waits = {"off": "once there is an address", "parked": "after a successful probe"}
        return waits.get(self.status.state, "now")

    @property
    def end(self) -> str:
        """How it ended, as a term; "" while it waits."""
        return ENDS.get(self.message.state, "")

    @property
    def error(self) -> str:
        return self.message.last_error or ""

    @property
    def size(self) -> str:
        return format_size(self.message.size) if self.message.state != "dropped" else "—"

    @property
    def replayable(self) -> bool:
        """Whether it can be delivered again: it is done, and its body is still there."""
        recent = datetime.now(UTC) - self.message.received_at < KEPT - timedelta(seconds=1)
        return self.message.state in ("delivered", "expired") and recent

    @property
    def why_not(self) -> str:
        """Why it cannot be delivered again; "" if it can."""
        if self.replayable:
            return ""
        if self.message.state == "dropped":
            return "Its body was deleted to make room for newer messages."
        if self.message.outcome is None:
            return "It waits, and is delivered anyway."
        return "It is older than 3 days."


def format_size(size: int) -> str:
    """A number of bytes: 900 B, 12 KiB, 3.4 MiB."""
    if size < KIBIBYTE:
        return f"{size}\u00a0B"
    if size < KIBIBYTE**2:
        return f"{size / KIBIBYTE:.0f}\u00a0KiB"
    return f"{size / KIBIBYTE**2:.1f}\u00a0MiB"
