"""A call as pages print it: a row of the list, and the page of one call. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlencode

from service.admin.calls.story import Story
from service.domain.call_records.details import mask_number
from service.domain.calls import NOT_FOUND, Call, Hangup, HangupState
from service.domain.relay.messages import CallRelay
from service.domain.wording.calls import (
    describe_call,
    describe_call_step,
    describe_diversion,
    describe_end,
)
from service.domain.wording.labels import Tone, format_count, format_seconds, label_slug
from service.store.calls.feed import CallSummary
from service.store.calls.listing.rows import CallNames
from service.web.panel.kit.badges import Badge, outcome_badge, state_badge
from service.web.panel.kit.links import NONE, TextLink
from service.web.panel.kit.traces import TraceStep, decision_steps
from service.web.panel.kit.visit import ROOT

CUT_OFF = Badge("Cut off", "bad")
UNKNOWN = Badge("Unknown", "bad")
DIVERTED = Badge("Blocked, diverted", "bad")
NOT_ANSWERED = Badge("Allowed, not answered", "bad")
LIVE, ENDED, REFUSED = Badge("Live", "good"), Badge("Ended"), Badge("Refused", "bad")
NO_END = Badge("No end reported", "wait")
CENT = Decimal("0.01")
DIRECTIONS = {"inbound": "Inbound", "outbound": "Outbound", "web": "Web"}
PART_NAMES = {"stt": "transcription", "llm": "model", "tts": "voice", "vapi": "Vapi"}
DOUBTS = {
    "cost": "the cost",
    "cost_parts": "the parts of the cost",
    "duration": "the duration",
    "ended_at": "the end",
    "started_at": "the start",
}
UNASSIGNED = TextLink("Unassigned")


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call in a list."""

    call: Call
    organization: TextLink
    number: str
    caller: str
    direction: str
    duration: str
    cost: str
    outcome: Badge
    reason: str
    state: Badge

    @property
    def at(self) -> int:
        """The place of the row, in microseconds: lists are in the order of the calls' records."""
        return round(self.call.created_at.timestamp() * 1_000_000)


def call_row(summary: CallSummary, *, whole: bool) -> CallRow:
    """A row of the list. `whole`: with the whole numbers of callers."""
    call, names = summary.call, summary.names
    return CallRow(
        call,
        organization_link(call, names) or UNASSIGNED,
        names.number_label or names.number or call.details.line_number or "—",
        shown_caller(call, whole=whole),
        DIRECTIONS.get(call.direction or "", "—"),
        format_seconds(duration_of(call)),
        format_cost(call.cost),
        outcome_of(call),
        reason_of(call),
        state_of(call),
    )


def duration_of(call: Call) -> float | None:
    """How long a call lasted; of a refused or hung up one, how long it was on the line."""
    stopped = call.blocked and not call.is_diverted
    return call.lived_seconds if stopped else call.duration_seconds


def shown_caller(call: Call, *, whole: bool) -> str:
    """The customer's number: of the caller, or of the called one if the agency called."""
    number = call.details.customer_number
    return (number if whole else mask_number(number)) or "—"


def format_cost(cost: Decimal | None) -> str:
    """A cost in US dollars."""
    if cost is None:
        return "—"
    return "under $0.01" if 0 < cost < CENT else f"${cost:,.2f}"


def organization_link(call: Call, names: CallNames) -> TextLink | None:
    """The link to a call's organization; None for a call of no organization."""
    if call.organization_id is None:
        return None
    name = names.organization_name or "Deleted organization"
    return TextLink(name, f"{ROOT}/organizations/{call.organization_id}")


def number_link(call: Call, names: CallNames) -> TextLink:
    if call.phone_number_id is None:
        return NONE
    name = names.number_label or names.number or str(call.phone_number_id)
    return TextLink(name, f"{ROOT}/numbers/{call.phone_number_id}")


def outcome_of(call: Call) -> Badge:
    """The outcome of a call. A call of an unknown number is neither allowed nor blocked."""
    if call.cut_at is not None:
        return CUT_OFF
    if call.is_unanswered:
        return NOT_ANSWERED
    if not call.blocked and not call.decision.allowed:
        return UNKNOWN
    if call.is_diverted:
        return DIVERTED
    return outcome_badge(allowed=not call.blocked)


def reason_of(call: Call) -> str:
    """Why it was allowed or blocked; of one that was cut off, why that was."""
    return (call.cut_reason if call.cut_at else call.reason) or ""


def state_of(call: Call) -> Badge:
    """Live, as the filter of lists and the overview count it, refused or ended; of a hang-up by
    Callgate, its state. Of a call that was sent elsewhere nothing is known until its end, nor of an old
    one whose end was never reported."""
    if call.is_refused and (call.hangup is None or call.hangup.state is HangupState.CONFIRMED):
        return REFUSED
    if call.ended_at is not None and call.ended_reason == NOT_FOUND:
        return ENDED  # Vapi did not say by what
    if call.hangup is not None:
        return state_badge(call.hangup.state.value)
    if call.ended_at is not None:
        return ENDED
    if call.is_live(datetime.now(UTC)):
        return LIVE
    is_open = call.status == "in-progress" or call.is_diverted
    return NO_END if is_open else state_badge(call.status)


@dataclass(frozen=True, slots=True)
class StepView:
    """A step of a call's timeline."""

    at: datetime
    text: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class CallPageView:
    """The page of a call, beside the call's own fields. `follow` is where an open page asks for what
    changed; "" once nothing changes any more."""

    title: str
    lead: str
    steps: Sequence[StepView]
    trace: Sequence[TraceStep]
    organization: TextLink
    number: TextLink
    type: str
    hangup: Badge
    attempts: str
    cost: str
    relay: Sequence[TextLink]
    parts: str
    caller: str
    called: str
    doubts: str
    follow: str
    diverted_to: str


def call_view(story: Story, *, whole: bool) -> CallPageView:
    """The page of a call. `whole`: with the whole number of its caller."""
    call, names = story.call, story.names
    described = [(step.at, *describe_call_step(step)) for step in story.steps]
    return CallPageView(
        f"Call of {names.organization_name or 'an unknown number'}",
        f"{describe_call(call, names.organization_name)} {describe_end(call)}",
        [StepView(at, text, tone) for at, text, tone in described],
        decision_steps(call.decision),
        organization_link(call, names) or NONE,
        number_link(call, names),
        label_slug(call.type) if call.type else "—",
        state_of(call),
        describe_commands(call.hangup),
        "—" if call.cost is None else f"${call.cost}",
        relay_links(call, story.relay),
        describe_parts(call),
        shown_caller(call, whole=whole),
        call.details.line_number or "—",
        describe_doubts(call),
        "" if is_settled(call) else f"{ROOT}/calls/{call.id}/story",
        describe_diversion(call.decision.terms.divert_to),
    )


def describe_commands(hangup: Hangup | None) -> str:
    """How many commands it took; "" without a hang-up."""
    if hangup is None:
        return ""
    if hangup.state is HangupState.CONFIRMED and not hangup.attempts:
        return "none needed"
    return f"{format_count(hangup.attempts, 'command', 'commands')} sent"


def relay_links(call: Call, relay: CallRelay | None) -> list[TextLink]:
    """What was relayed of a call, each figure with the way to its messages; nothing if none is kept."""
    if relay is None:
        return []
    messages = f"{ROOT}/organizations/{call.organization_id}/relay"
    counts = {
        "delivered": (relay.delivered, "delivered"),
        "waiting": (relay.waiting, "waiting"),
        "failed": (relay.failed, "of these after a failed attempt"),
    }
    links = [
        TextLink(
            f"{count:,} {text}",
            f"{messages}?{urlencode({'call': call.vapi_call_id, 'state': state})}",
        )
        for state, (count, text) in counts.items()
        if count or state == "delivered"
    ]
    if relay.lost:
        links.append(TextLink(f"{relay.lost:,} expired or dropped"))
    return links


def describe_parts(call: Call) -> str:
    """What the cost is made of, the dearest part first; "" if that is not known."""
    parts = sorted((call.cost_parts or {}).items(), key=lambda part: (-part[1], part[0]))
    return ", ".join(
        f"{PART_NAMES.get(name, name.replace('_', ' '))} ${value:g}" for name, value in parts
    )


def describe_doubts(call: Call) -> str:
    """What of the messages and records of a call is impossible, in a sentence; "" if nothing is."""
    if not call.details.doubts:
        return ""
    named = ", ".join(DOUBTS.get(doubt, doubt) for doubt in call.details.doubts)
    return f"Vapi reported impossible values, which do not count: {named}."


def is_settled(call: Call) -> bool:
    """Whether nothing of a call changes any more, but perhaps its cost."""
    pending = call.hangup is not None and call.hangup.state is HangupState.PENDING
    return call.ended_at is not None and not pending
