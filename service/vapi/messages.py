"""Parses Vapi's server messages: bytes in, the few facts we need out. Pure.

`service.vapi.message_heads` decodes a message and reads whose call it is about; here are the facts that
a record of the call takes from it.
"""

from datetime import datetime
from decimal import Decimal

from service.domain.call_records.details import CostParts
from service.vapi.calls.figures import (
    instant,
    is_impossible,
    read_cost,
    read_cost_parts,
    read_duration,
    read_told,
)
from service.vapi.calls.transcripts import read_transcript
from service.vapi.hooks import is_refusal
from service.vapi.message_heads import (
    NO_CALL,
    MessageHead,
    RawMessage,
    decode,
    plain,
    read_head,
)
from service.vapi.message_types import END_OF_CALL_REPORT

MOST_OF_NUMBER = 40


class ServerMessage(MessageHead, frozen=True, gc=False):
    """All facts of a message.

    `told_seconds` is the duration as a figure, which `duration_seconds` is not where the instants
    contradict it. `doubts` names the figures and instants that were there and impossible."""

    call_type: str | None = None
    number: str | None = None
    transcript_type: str | None = None
    caller_number: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    ended_reason: str | None = None
    duration_seconds: float | None = None
    told_seconds: float | None = None
    cost: Decimal | None = None
    cost_parts: CostParts | None = None
    doubts: tuple[str, ...] = ()
    transcript: str | None = None
    recording_url: str | None = None

    @property
    def shows_connection(self) -> bool:
        """Whether it proves that the two sides of the call were connected."""
        if self.ends_call:
            return bool(self.duration_seconds) and not is_refusal(self.ended_reason)
        return super().shows_connection


def parse_message(body: bytes) -> ServerMessage:
    """Parse one webhook body; raises only `MalformedMessageError`."""
    raw = decode(body)
    return read_message(raw, read_head(raw))


def read_message(raw: RawMessage, head: MessageHead) -> ServerMessage:
    """Read what is left of a decoded message."""
    call = raw.call or NO_CALL
    started_at = instant(raw.started_at) or instant(call.started_at)
    ended_at = instant(raw.ended_at) or instant(call.ended_at)
    created_at = instant(call.created_at)
    seconds, seconds_doubted = read_duration(
        raw.duration_seconds, raw.duration_ms, started_at, ended_at, created_at
    )
    cost, cost_doubted = read_cost(raw.cost, call.cost)
    parts, parts_doubted = read_cost_parts(raw.cost_breakdown, raw.costs, cost)
    said: tuple[str | None, str | None] = (None, None)
    if head.type == END_OF_CALL_REPORT:
        said = read_transcript(raw.transcript, raw.recording_url, raw.artifact)
    doubted = {
        "cost": cost_doubted,
        "cost_parts": parts_doubted,
        "duration": seconds_doubted,
        "ended_at": is_impossible(raw.ended_at),
        "started_at": is_impossible(raw.started_at),
    }
    return ServerMessage(
        type=head.type,
        has_call=head.has_call,
        call_id=head.call_id,
        phone_number_ids=head.phone_number_ids,
        assistant_ids=head.assistant_ids,
        status=head.status,
        control_url=head.control_url,
        at=head.at,
        call_type=plain(call.type, 40),
        number=plain(raw.phone_number.number, 100) if raw.phone_number is not None else None,
        transcript_type=plain(raw.transcript_type, 40),
        caller_number=caller_number(raw.customer) or caller_number(call.customer),
        created_at=created_at,
        started_at=started_at,
        ended_at=ended_at,
        ended_reason=plain(raw.ended_reason, 200) or plain(call.ended_reason, 200),
        duration_seconds=seconds,
        told_seconds=read_told(raw.duration_seconds, raw.duration_ms),
        cost=cost,
        cost_parts=parts,
        doubts=tuple(name for name, doubtful in doubted.items() if doubtful),
        transcript=said[0],
        recording_url=said[1],
    )


def caller_number(customer: object) -> str | None:
    return plain(customer.get("number"), MOST_OF_NUMBER) if isinstance(customer, dict) else None
