"""The route of a number's events and its coverage, as pages print them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.admin.phone_numbers.coverage import NumberCoverage
from service.domain.coverage.coverage import Cover, Place
from service.domain.phone_numbers import NumberGate
from service.domain.wording.labels import label_slug
from service.web.panel.kit.badges import Badge
from service.web.shapes.reconcile import Listener, Route

ANSWERED_BY: Mapping[str, str] = {
    "assistant": "an assistant",
    "squad": "a squad",
    "workflow": "a workflow",
    "assistant_request": "the answer that Callgate chooses",
}
STOPPED_AT: Mapping[Place, str] = {
    "ring": "while it rings",
    "request": "before an assistant joins",
    "event": "at its first event",
    "predial": "before it is dialed",
    "list": "found in Vapi's list of calls",
    "nothing": "not stopped",
}
OURS, FOREIGN = Badge("Reaches Callgate", "good"), Badge("Does not reach Callgate", "bad")


@dataclass(frozen=True, slots=True)
class ListenerView:
    """A server to which Vapi sends events. `effect` is how the list draws it."""

    listener: Listener
    effect: str

    @property
    def title(self) -> str:
        return title_of(self.listener)

    @property
    def url(self) -> str:
        return self.listener.url or "unreadable"


def title_of(listener: Listener) -> str:
    name = f" “{listener.name}”" if listener.name else ""
    return f"{label_slug(listener.level)}{name}"


@dataclass(frozen=True, slots=True)
class NumberRouteView:
    """Where Vapi sends a number's events."""

    route: Route

    @property
    def badge(self) -> Badge:
        return OURS if self.route.reaches_us else FOREIGN

    @property
    def answered_by(self) -> str:
        return f"Answered by {ANSWERED_BY[self.route.answered_by]}."

    @property
    def listeners(self) -> list[ListenerView]:
        return [ListenerView(one, self.effect_of(one)) for one in self.route.listeners]

    def effect_of(self, listener: Listener) -> str:
        if listener.ours:
            return "allow"
        return "deny" if listener in self.route.shadows else ""

    @property
    def shadows(self) -> list[str]:
        """Warnings for a number that is about to be added."""
        return [
            f"{title_of(shadow)} has its own server, which takes precedence over the number's. If "
            f"the organization owns the assistant, Callgate sets the server there. Otherwise: "
            f"{self.route.remedy}"
            for shadow in self.route.shadows
        ]


@dataclass(frozen=True, slots=True)
class CoverView:
    """One kind of call."""

    cover: Cover

    @property
    def kind(self) -> str:
        kind = self.cover.kind
        return kind.upper() if kind == "sms" else kind.capitalize()

    @property
    def stopped(self) -> str:
        return STOPPED_AT[self.cover.stopped_at]

    @property
    def holes(self) -> list[str]:
        """The holes that an admin can close."""
        return [f"{hole.text} {hole.remedy}" for hole in self.cover.holes if not hole.inherent]


@dataclass(frozen=True, slots=True)
class CoverageView:
    """Where blocked calls of a number are stopped."""

    coverage: NumberCoverage

    @property
    def covers(self) -> list[CoverView]:
        return [CoverView(cover) for cover in self.coverage.calls]


@dataclass(frozen=True, slots=True)
class OtherGate:
    """The link that previews the other gate."""

    text: str
    address: str


def other_gate(gate: NumberGate, event_address: str, request_address: str) -> OtherGate:
    if gate == "event":
        return OtherGate("Preview the request gate", request_address)
    return OtherGate("Preview the event gate", event_address)
