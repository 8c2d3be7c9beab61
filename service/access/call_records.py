"""What the record of a call takes from a message: only what is possible, and what was doubted.

Instants are Vapi's. One that lies in the future, before the call was created or, of an end, before its
beginning is doubted, and the next best counts instead. Never used to decide whether a call passes.
"""

from dataclasses import dataclass
from datetime import datetime

from service.access.directory import Registration
from service.domain.call_records.details import CallDetails, canonical_number, merge_doubts
from service.domain.call_records.transcripts import Transcript
from service.domain.calls import SLACK
from service.vapi.messages import ServerMessage


@dataclass(frozen=True, slots=True)
class CallRecord:
    """The facts of a message as they are recorded. `ended_at` is None unless it reports an end."""

    started_at: datetime
    ended_at: datetime | None
    details: CallDetails


def read_record(
    message: ServerMessage, registration: Registration | None, now: datetime
) -> CallRecord:
    """The facts of a message that arrived `now`, by the database's clock."""
    doubts = set(message.doubts)
    started_at = message.started_at
    if started_at is not None and not is_possible(started_at, message.created_at, now):
        doubts.add("started_at")
        started_at = None
    began_at = min(started_at or message.at or now, now)
    ended_at = None
    if message.ends_call:
        believed = [
            instant
            for instant in (message.ended_at, message.at)
            if instant is not None
            and is_possible(instant, message.created_at, now)
            and (started_at is None or instant >= started_at)
        ]
        if message.ended_at is not None and message.ended_at not in believed[:1]:
            doubts.add("ended_at")
        ended_at = believed[0] if believed else now
    number = registration.phone_number if registration else None
    details = CallDetails(
        canonical_number(message.caller_number),
        (number.number if number else None) or canonical_number(message.number),
        next(iter(message.assistant_ids), None),
        message.shows_connection,
        merge_doubts(doubts, ()),
    )
    return CallRecord(began_at, ended_at, details)


def read_said(message: ServerMessage, registration: Registration | None) -> Transcript | None:
    """What was said in a call, if its organization keeps it."""
    days = registration.organization.handling.keep_transcripts_days if registration else None
    if days is None or (message.transcript is None and message.recording_url is None):
        return None
    return Transcript(message.transcript, message.recording_url, days)


def is_possible(instant: datetime, earliest: datetime | None, now: datetime) -> bool:
    """Whether an instant of a call can be true; two clocks may differ by a little."""
    return instant <= now + SLACK and (earliest is None or instant >= earliest - SLACK)
