"""A call as stored: one row per call, with its decision and its hang-up; and how large figures may be.

Reports are claims, and sums are built on them: a report whose figures exceed the limits keeps its end
and loses them. Vapi's own record of the call replaces the figures of reports.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal
from uuid import UUID

from service.domain.call_records.details import CallDetails, CostParts, Direction, direction_of
from service.domain.call_records.transcripts import Transcript
from service.domain.decisions import Decision

CallStatus = Literal["in-progress", "ended", "failed"]
GateName = Literal["request", "event", "ring"]
CallKey = tuple[str, UUID | None]
EndProof = Literal["message", "missing", "vapi"]
"""Where an end is known from: a message; Vapi no longer knows the call; Vapi's record of the call."""

LONGEST_CALL = timedelta(hours=24)
"""Vapi ends every call after 12 hours (`maxDurationSeconds` is at most 43,200)."""
SLACK = timedelta(minutes=5)
"""How long a call may have run before its first message, and how far two clocks may differ."""
COST_PER_MINUTE = Decimal(5)
"""US dollars: ten times what the dearest models, voices and carriers come to together."""
COST_OF_A_CALL = Decimal(1)
"""US dollars that a call may cost in any case, however short it is."""


NOT_FOUND = "not-found"
"""The reason that stands for an end by which Vapi no longer knew the call: its instant is when Vapi said
so, so how long the call lasted is not known."""

UNANSWERED_ENDS = (
    "^(assistant-request-(failed|returned-(error|unspeakable-error|invalid-assistant|no-assistant))$"
    "|assistant-(not-found|not-valid|join-timed-out)$"
    "|call[.-]start[.-](error|assistant-version-error)-)"
)
"""A pattern of Vapi's reasons for the end of a call that nothing answered (its `endedReason`)."""


class HangupState(StrEnum):
    """`pending`: in progress. `confirmed`: Vapi reported the end. `unconfirmed`: Vapi accepted the
    command, but the end is unconfirmed. `failed`: no command reached Vapi."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Hangup:
    """How far the hang-up of a blocked call got. `attempts` counts commands sent to Vapi."""

    state: HangupState
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a granted call is stopped if its limits let no further one in.

    `goodbyes`: the sentence spoken before the hang-up, by reason. `guessed` as of a `NewCall`.
    `may_divert`: the denial may send the call elsewhere instead.
    """

    hangup_after_seconds: float
    guessed: bool = False
    may_divert: bool = False
    goodbyes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call at its first message, with its decision: the row to insert.

    `hangup_after_seconds` is None when nothing has to be hung up; otherwise the job is enqueued in
    the transaction that inserts the row. `control_url` is a capability: never log or show it.
    `goodbye` is spoken before the call is hung up. `missed`: Vapi never posted a message of it.
    `number` is the E.164 number of an unregistered phone number, if the message has it.
    `cost_parts` are those of `cost`.
    `end_proved`: Vapi's own record of the call says that it ended. `guessed`: a denial that may be
    wrong, whose call is hung up `hangup_after_seconds` after its record, and no sooner. `acted`:
    messages were answered by the decision before it could be recorded. `refusal`: the grant depends on
    the free slots of its limits, which are counted when it is recorded. `url_proved`: the control URL
    came with a message that the organization's own secret proves, for its own number.
    """

    vapi_call_id: str
    organization_id: UUID | None
    phone_number_id: UUID | None
    vapi_phone_number_id: str | None
    type: str | None
    gate: GateName
    decision: Decision
    started_at: datetime
    control_url: str | None = None
    hangup_after_seconds: float | None = None
    ended_at: datetime | None = None
    ended_reason: str | None = None
    duration_seconds: float | None = None
    cost: Decimal | None = None
    goodbye: str | None = None
    missed: bool = False
    number: str | None = None
    end_proved: bool = False
    guessed: bool = False
    acted: bool = False
    cost_parts: CostParts | None = None
    details: CallDetails = field(default_factory=CallDetails)
    transcript: Transcript | None = None
    refusal: Refusal | None = None
    url_proved: bool = False

    @property
    def wants_slots(self) -> bool:
        """Whether it is let in only if its limits have slots free; one that is over needs none."""
        asks = self.refusal is not None and self.organization_id is not None
        return (
            asks and self.decision.allowed and bool(self.decision.limits) and self.ended_at is None
        )

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the limits that it holds while it is under way."""
        if not self.decision.allowed or self.organization_id is None:
            return ()
        return tuple(sorted({limit.name for limit in self.decision.limits}))

    def decided(self, decision: Decision) -> "NewCall":
        """The same call by a decision that counted its limits."""
        if self.refusal is not None and not self.refusal.may_divert:
            decision = decision.without_diversion()
        if decision.allowed or decision.diverts or self.refusal is None:
            return replace(self, decision=decision, refusal=None)
        return replace(
            self,
            decision=decision,
            hangup_after_seconds=self.refusal.hangup_after_seconds,
            guessed=self.refusal.guessed,
            goodbye=self.refusal.goodbyes.get(decision.reason),
            refusal=None,
        )

    @property
    def key(self) -> "CallKey":
        """What a decision belongs to: the call, and the organization that it was made for."""
        return self.vapi_call_id, self.organization_id

    @property
    def blocked(self) -> bool:
        """Whether the call is stopped: one of an unknown number is refused if it asks, and hung up
        only with CALLGATE_UNKNOWN_CALLS=hang_up."""
        stopped = self.organization_id is not None or self.hangup_after_seconds is not None
        return not self.decision.allowed and (stopped or self.gate == "request")


@dataclass(frozen=True, slots=True)
class Call:
    """One call as stored, without its control URL.

    `lived_seconds` is how long a blocked call lasted, from its own beginning; None: not known.
    `cut_at`: when Callgate ended a granted call because its organization's access had ended, for
    `cut_reason`. `created_at`: when it was recorded, which is the order of lists.
    """

    id: UUID
    vapi_call_id: str
    organization_id: UUID | None
    phone_number_id: UUID | None
    type: str | None
    status: CallStatus
    blocked: bool
    reason: str
    gate: GateName
    decision: Decision
    hangup: Hangup | None
    started_at: datetime | None
    ended_at: datetime | None
    ended_reason: str | None
    duration_seconds: float | None
    cost: Decimal | None
    created_at: datetime
    lived_seconds: float | None = None
    cut_at: datetime | None = None
    cut_reason: str | None = None
    missed: bool = False
    cost_parts: CostParts | None = None
    details: CallDetails = field(default_factory=CallDetails)

    @property
    def direction(self) -> Direction | None:
        """Who called; None for a type that we do not know."""
        return direction_of(self.type)

    @property
    def caller_number(self) -> str | None:
        """The number that called: the agency's if it called."""
        known = self.details
        return known.line_number if self.direction == "outbound" else known.customer_number or None

    @property
    def called_number(self) -> str | None:
        """The number that was called."""
        known = self.details
        return known.customer_number or None if self.direction == "outbound" else known.line_number

    @property
    def is_diverted(self) -> bool:
        """Whether the call was blocked by being sent elsewhere, where it went on."""
        return self.blocked and self.decision.diverts

    @property
    def is_refused(self) -> bool:
        """Whether the call was blocked before its sides were connected."""
        refused = self.blocked and not self.is_diverted
        return refused and (self.gate != "event" or self.details.connected is False)

    def is_live(self, now: datetime) -> bool:
        """Whether it is under way; one whose end was never reported counts for a day at most."""
        young = self.created_at > now - timedelta(days=1)
        return self.status == "in-progress" and self.ended_at is None and young

    @property
    def is_unanswered(self) -> bool:
        """Whether the call was allowed, and Vapi ended it because nothing answered it."""
        granted = not self.blocked and self.cut_at is None and self.organization_id is not None
        return granted and bool(re.match(UNANSWERED_ENDS, (self.ended_reason or "")[:200]))


@dataclass(frozen=True, slots=True)
class CallEnd:
    """The end of a call. Later reports complete earlier ones, and what Vapi's own record says stays.

    A message proves no end of a call that is being hung up: Vapi is asked first. An end of another
    organization than the call's changes nothing; None: the organization is not known.
    `reported_at` is when the report arrived, by the database's clock. `call` is what the replica that
    took the report knew of the call: recorded if no row of it exists.
    """

    vapi_call_id: str
    ended_at: datetime
    ended_reason: str | None = None
    duration_seconds: float | None = None
    cost: Decimal | None = None
    organization_id: UUID | None = None
    proof: EndProof = "message"
    reported_at: datetime | None = None
    call: NewCall | None = None
    cost_parts: CostParts | None = None
    details: CallDetails = field(default_factory=CallDetails)
    transcript: Transcript | None = None

    @property
    def key(self) -> "CallKey":
        """The call, and the organization whose end it is."""
        return self.vapi_call_id, self.organization_id


def plausible_duration(seconds: float | None, age: timedelta) -> float | None:
    """The duration, unless the call would have lasted longer than it exists or than 24 hours."""
    if seconds is None:
        return None
    most = min(LONGEST_CALL, max(age, timedelta(0)) + SLACK)
    return seconds if 0 <= seconds <= most.total_seconds() else None


def plausible_cost(cost: Decimal | None, seconds: float | None, age: timedelta) -> Decimal | None:
    """The cost, unless it exceeds what calls of this length cost; without a length, of this age."""
    if cost is None:
        return None
    longest = min(LONGEST_CALL, max(age, timedelta(0)) + SLACK).total_seconds()
    minutes = Decimal(str(longest if seconds is None else seconds)) / 60
    return cost if 0 <= cost <= COST_OF_A_CALL + COST_PER_MINUTE * minutes else None
