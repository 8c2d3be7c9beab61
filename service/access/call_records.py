"""What the record of a call takes from a message: only what is possible, and what was doubted.

Instants are Vapi's. One that lies in the future, before the call was created, further back than a call
lasts or, of an end, before its beginning is doubted, and the next best counts instead: no wrong clock
moves a call out of its month's usage. Never used to decide whether a call passes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.access.directory import Registration
from service.domain.call_records.details import CallDetails, canonical_number, merge_doubts
from service.domain.call_records.transcripts import Transcript
from service.domain.calls import LONGEST_CALL, SLACK
from service.vapi.messages import ServerMessage

INSTANTS = ("started_at", "ended_at")


@dataclass(frozen=True, slots=True)
class CallRecord:
    """The facts of a message as they are recorded. `ended_at` is None unless it reports an end."""

    started_at: datetime
    ended_at: datetime | None
    duration_seconds: float | None
    details: CallDetails


def read_record(
    message: ServerMessage, registration: Registration | None, now: datetime
) -> CallRecord:
    """The facts of a message that arrived `now`, by the database's clock."""
    doubts = set(message.doubts)
    oldest = now - LONGEST_CALL
    earliest = max(message.created_at or oldest, oldest) - SLACK
    began_at, doubted = choose_instant((message.started_at, message.at), earliest, now)
    if doubted:
        doubts.add("started_at")
    ended_at = None
    if message.ends_call:
        if message.started_at is not None and not doubted:
            earliest = max(message.started_at, earliest)
        ended_at, doubted = choose_instant((message.ended_at, message.at), earliest, now)
        if doubted:
            doubts.add("ended_at")
        ended_at = ended_at or now
    duration = message.duration_seconds
    if message.told_seconds is not None and not doubts.isdisjoint(INSTANTS):
        # A wrong instant contradicts no figure, and the figure tells a start that is not believed.
        if duration != message.told_seconds:
            doubts.discard("duration")
        duration = message.told_seconds
        if ended_at is not None and "started_at" in doubts:
            began_at = max(ended_at - timedelta(seconds=duration), earliest)
    number = registration.phone_number if registration else None
    details = CallDetails(
        canonical_number(message.caller_number),
        (number.number if number else None) or canonical_number(message.number),
        next(iter(message.assistant_ids), None),
        message.shows_connection,
        merge_doubts(doubts, ()),
    )
    return CallRecord(min(began_at or now, ended_at or now, now), ended_at, duration, details)


def read_said(message: ServerMessage, registration: Registration | None) -> Transcript | None:
    """What was said in a call, if its organization keeps it."""
    days = registration.organization.handling.keep_transcripts_days if registration else None
    if days is None or (message.transcript is None and message.recording_url is None):
        return None
    return Transcript(message.transcript, message.recording_url, days)


def choose_instant(
    told: Iterable[datetime | None], earliest: datetime, now: datetime
) -> tuple[datetime | None, bool]:
    """The first of these instants that can be true, and whether one before it is doubted. Two clocks
    may differ by a little."""
    given = [instant for instant in told if instant is not None]
    possible = [instant for instant in given if earliest <= instant <= now + SLACK]
    return next(iter(possible), None), given[:1] != possible[:1]
