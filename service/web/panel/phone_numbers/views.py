"""A phone number as pages print it: rows, the state of its webhook, its changes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain.phone_numbers import PhoneNumber, SyncState
from service.domain.wording.answers import describe_unanswered
from service.web.panel.kit.badges import PAUSED, Badge, state_badge
from service.web.panel.kit.choices import Pair
from service.web.panel.kit.links import TextLink
from service.web.panel.kit.visit import ROOT
from service.web.shapes.phone_numbers import FieldDrift
from service.web.shapes.reconcile import WebhookChange

NO_ANSWER = Badge("No answer", "bad")
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


NOT_RESTORABLE = (
    "Vapi does not show that webhook's secret, so it cannot be restored: set it again at Vapi "
    "afterwards."
)


def address_of(phone_number_id: UUID) -> str:
    return f"{ROOT}/numbers/{phone_number_id}"


def name_of(number: PhoneNumber) -> str:
    """The name of a number for people, who type it to confirm a release."""
    return number.number or number.label or number.vapi_phone_number_id


def organization_link(number: PhoneNumber, names: Mapping[str, str]) -> TextLink:
    organization = str(number.organization_id)
    name = names.get(organization, "Deleted organization")
    return TextLink(name, f"{ROOT}/organizations/{organization}")


@dataclass(frozen=True, slots=True)
class NumberRow:
    """A number in the list."""

    number: PhoneNumber
    organization: TextLink

    @property
    def title(self) -> str:
        """What the list is sorted by first: the label, else the number, else the id at Vapi."""
        return self.number.label or self.number.number or self.number.vapi_phone_number_id

    @property
    def digits(self) -> str:
        return self.number.number or "—"

    @property
    def badges(self) -> list[Badge]:
        return badges_of(self.number)

    @property
    def gate(self) -> str:
        return self.number.gate.capitalize()


def badges_of(number: PhoneNumber) -> list[Badge]:
    """The state of a number's webhook, and its pause."""
    state = state_badge(number.sync.state.value)
    paused = [PAUSED] if number.pause and state != PAUSED else []
    return [state, *paused, *([NO_ANSWER] if number.unanswered else [])]


@dataclass(frozen=True, slots=True)
class NumberView:
    """A number on its own pages. `apart`: its state comes beside another part of an open page."""

    number: PhoneNumber
    organization: TextLink
    apart: bool = False

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
        """The state in a sentence; "" for a paused number, whose pause has a sentence of its own, unless
        it is missing at Vapi."""
        state = self.number.sync.state
        if self.number.pause and state is not SyncState.MISSING:
            return ""
        return STATES.get(state, "")

    @property
    def unanswered(self) -> str:
        """Why allowed calls are not answered, and the remedy; "" if they are."""
        return describe_unanswered(self.number.unanswered)

    @property
    def release_text(self) -> str:
        """What a release does, and what it cannot do."""
        text = (
            "Callgate no longer decides about its calls, and restores its previous webhook at Vapi."
        )
        return f"{text} {NOT_RESTORABLE}" if self.number.secret_lost else text

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
