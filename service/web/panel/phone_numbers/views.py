"""A phone number as pages print it: rows, its webhook's state, route and coverage. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.admin.phone_numbers.coverage import NumberCoverage
from service.domain.coverage.coverage import Cover, Place
from service.domain.phone_numbers import NumberGate, PhoneNumber, SyncState
from service.domain.wording.labels import label_slug
from service.web.panel.kit.badges import PAUSED, Badge, state_badge
from service.web.panel.kit.choices import Pair
from service.web.panel.kit.links import TextLink
from service.web.panel.kit.visit import ROOT
from service.web.shapes.phone_numbers import FieldDrift
from service.web.shapes.reconcile import Listener, Route, WebhookChange

GATES: Sequence[Pair] = (
    ("event", "Event: stop calls at their first event"),
    ("request", "Request: Vapi asks before an assistant answers"),
)
STATES: Mapping[SyncState, str] = {
    SyncState.IN_SYNC: "The webhook at Vapi is in sync.",
    SyncState.PENDING: "Callgate is configuring the webhook at Vapi…",
    SyncState.SHADOWED: "The number's webhook is right, but a server set elsewhere in Vapi shadows it.",
    SyncState.MISSING: "Vapi no longer has this number.",
    SyncState.DRIFTED: "The webhook was changed at Vapi.",
    SyncState.FAILED: "Callgate could not configure the webhook.",
}
CAUSES: Mapping[str, str] = {
    "added": "configured when the number was added",
    "desired_changed": "configured again",
    "access_changed": "changed with the access",
    "drift": "repaired",
    "secret_rotated": "new webhook secret",
    "released": "released",
    "rolled_back": "rolled back",
}
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


def address_of(phone_number_id: UUID) -> str:
    return f"{ROOT}/numbers/{phone_number_id}"


def name_of(number: PhoneNumber) -> str:
    """The name of a number for people, who type it to confirm a release."""
    return number.number or number.label or number.vapi_phone_number_id


@dataclass(frozen=True, slots=True)
class NumberRow:
    """A number in the list."""

    number: PhoneNumber
    organization: TextLink

    @property
    def name(self) -> str:
        return self.number.number or self.number.vapi_phone_number_id

    @property
    def badges(self) -> list[Badge]:
        return badges_of(self.number)

    @property
    def gate(self) -> str:
        return self.number.gate.capitalize()


def badges_of(number: PhoneNumber) -> list[Badge]:
    """The state of a number's webhook, and its pause."""
    state = state_badge(number.sync.state.value)
    return [state, PAUSED] if number.pause and state != PAUSED else [state]


@dataclass(frozen=True, slots=True)
class NumberView:
    """A number on its own pages."""

    number: PhoneNumber
    organization: TextLink

    @property
    def name(self) -> str:
        return name_of(self.number)

    @property
    def label(self) -> str:
        """The label, unless it is the name already."""
        label = self.number.label or ""
        return "" if label == self.name else label

    @property
    def address(self) -> str:
        return address_of(self.number.id)

    @property
    def badges(self) -> list[Badge]:
        return badges_of(self.number)

    @property
    def text(self) -> str:
        """The state in a sentence; "" for a paused number, whose pause has a sentence of its own."""
        return "" if self.number.pause else STATES.get(self.number.sync.state, "")

    @property
    def settling(self) -> bool:
        """Whether the page fetches the state again after a moment."""
        return self.number.sync.state is SyncState.PENDING and self.number.pause is None

    @property
    def level(self) -> str:
        return "the number" if self.number.sync.level == "phone_number" else "the assistant"


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A change at Vapi. `badge` is a warning, if there is one."""

    id: int
    at: datetime
    text: str
    by: str
    badge: Badge | None
    fields: Sequence[FieldDrift]


def change_view(change: WebhookChange) -> ChangeView:
    on = ", on the assistant" if change.level == "assistant" else ""
    unconfirmed = Badge("Not confirmed", "wait")
    return ChangeView(
        change.id,
        change.at,
        CAUSES[change.cause],
        f"by {change.actor}{on}",
        None if change.applied_at else unconfirmed,
        change.fields,
    )


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
        return self.cover.kind.capitalize()

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
