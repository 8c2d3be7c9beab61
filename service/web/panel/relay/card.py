"""How the relay to an organization's own server stands, as its pages show it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from service.domain.organizations import Organization
from service.domain.relay.messages import RelayFigures, RelayState, RelayStatus
from service.domain.wording.labels import format_count
from service.web.panel.kit.badges import Badge
from service.web.panel.kit.charts import counted
from service.web.panel.kit.visit import ROOT

BADGES: Mapping[RelayState, Badge] = {
    "off": Badge("Off"),
    "delivering": Badge("Delivering", "good"),
    "parked": Badge("Parked", "bad"),
}
PARKED = (
    "The server failed repeatedly. Callgate sends it one message at a time until it takes one; then all "
    "that wait follow, in the order of their calls."
)
NO_SERVER = "This organization has no server of its own."
UP_TO_DATE = "Callgate passes the messages of granted calls on as they arrive."
ADVICE: Mapping[RelayState, str] = {
    "off": "Set its address under Edit, and the server gets the messages of granted calls.",
    "delivering": "",
    "parked": (
        "Check that the server runs, that its address is right, and that it answers with a status of "
        "2xx within 10 s."
    ),
}
LOST = (
    "Messages were dropped to make room for newer ones. Check that the server is fast enough for its "
    "calls."
)


@dataclass(frozen=True, slots=True)
class RelayFact:
    """A figure that leads to its messages."""

    term: str
    figure: str
    address: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class RelayView:
    """One server. `url` is None for an organization without one."""

    address: str
    url: str | None
    status: RelayStatus
    figures: RelayFigures

    @property
    def badge(self) -> Badge:
        return BADGES[self.status.state]

    @property
    def sentence(self) -> str:
        """The state in plain words."""
        waiting = self.figures.waiting
        wait = "waits" if waiting == 1 else "wait"
        messages = f"{format_count(waiting, 'message', 'messages')} {wait}"
        match self.status.state:
            case "off":
                return f"{NO_SERVER} {messages} until it has one." if waiting else NO_SERVER
            case "parked":
                return PARKED
            case "delivering":
                return f"Callgate delivers: {messages}." if waiting else UP_TO_DATE

    @property
    def is_parked(self) -> bool:
        return self.status.state == "parked"

    @property
    def shows_facts(self) -> bool:
        """Whether there is anything to say of an organization that may have no server."""
        return self.url is not None or any(fact.figure != "0" for fact in self.facts)

    @property
    def facts(self) -> list[RelayFact]:
        """What waits and what was lost. Waiting and dropped ones are shown even if there are none."""
        found = self.figures
        facts = [self.fact("Waiting", found.waiting, "waiting")]
        if found.failed:
            facts.append(self.fact("Failed, will be retried", found.failed, "failed"))
        in_all = self.status.dropped
        note = f"{counted(in_all)} in all" if in_all > found.dropped else ""
        facts.append(self.fact("Dropped, last 3 days", found.dropped, "dropped", note))
        if found.expired:
            facts.append(self.fact("Expired", found.expired, "expired"))
        return facts

    def fact(self, term: str, count: int, state: str, note: str = "") -> RelayFact:
        return RelayFact(term, counted(count), f"{self.address}?state={state}", note)

    @property
    def error(self) -> str | None:
        return self.status.last_error

    @property
    def error_at(self) -> datetime | None:
        return self.status.last_error_at

    @property
    def advice(self) -> str:
        lost = self.figures.dropped and self.status.state == "delivering"
        return LOST if lost else ADVICE[self.status.state]


def relay_address(organization: Organization) -> str:
    """The page of an organization's messages."""
    return f"{ROOT}/organizations/{organization.id}/relay"


def relay_view(organization: Organization, status: RelayStatus, figures: RelayFigures) -> RelayView:
    return RelayView(relay_address(organization), organization.forward_url, status, figures)
