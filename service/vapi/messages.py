"""Parsing Vapi's server messages: bytes in, the few facts we need out. No I/O.

Vapi's recorded messages do not fit its own published spec, so everything that is not needed is
ignored, and what is nice to have never fails. What says whose call it is must be well-formed.
Where a key appears twice the last one counts, as in most JSON readers.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from service.vapi.replies import EXPECTING_ANSWER

ID = re.compile(r"[\x21-\x7e]{1,128}")
UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)
EARLIEST = datetime(2015, 1, 1, tzinfo=UTC).timestamp()
LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()


class MalformedMessageError(Exception):
    """The body is not a server message. The text names the part at fault, never its value."""


class RawObject(msgspec.Struct):
    """A phone number or an assistant: only its id counts."""

    id: Any = None


class RawCall(msgspec.Struct, rename="camel"):
    """The call's snapshot; `status` in it is from creation and says nothing."""

    id: Any = None
    type: Any = None
    phone_number_id: Any = None
    assistant_id: Any = None
    monitor: Any = None
    customer: Any = None
    started_at: Any = None
    ended_at: Any = None
    ended_reason: Any = None
    cost: Any = None


class RawMessage(msgspec.Struct, rename="camel"):
    """The parts of `message` that we look at."""

    type: Any = None
    call: RawCall | None = None
    phone_number: RawObject | None = None
    assistant: msgspec.Raw = msgspec.Raw()
    customer: Any = None
    status: Any = None
    timestamp: Any = None
    started_at: Any = None
    ended_at: Any = None
    ended_reason: Any = None
    duration_seconds: Any = None
    duration_ms: Any = None
    cost: Any = None


class RawBody(msgspec.Struct):
    """The envelope."""

    message: RawMessage


BODY = msgspec.json.Decoder(RawBody)
ASSISTANT = msgspec.json.Decoder(RawObject)


@dataclass(frozen=True, slots=True)
class ServerMessage:
    """One message, reduced. Ids are printable ASCII; `control_url` is a capability, unchecked."""

    type: str
    has_call: bool = False
    call_id: str | None = None
    call_type: str | None = None
    phone_number_ids: tuple[str, ...] = ()
    assistant_ids: tuple[str, ...] = ()
    status: str | None = None
    control_url: str | None = None
    caller_number: str | None = None
    at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    ended_reason: str | None = None
    duration_seconds: float | None = None
    cost: Decimal | None = None

    @property
    def ends_call(self) -> bool:
        """Whether Vapi says with it that the call is over."""
        if self.type == "status-update":
            return self.status == "ended"
        return self.type == "end-of-call-report"

    @property
    def expects_answer(self) -> bool:
        """Whether Vapi uses the body of the answer."""
        return self.type in EXPECTING_ANSWER


def parse_message(body: bytes) -> ServerMessage:
    """Read one webhook body; raises `MalformedMessageError` and nothing else."""
    try:
        if not body.isascii():
            body.decode()
        raw = BODY.decode(body).message
    except UnicodeDecodeError:
        raise MalformedMessageError("The body is not UTF-8.") from None
    except RecursionError:
        raise MalformedMessageError("The body is nested too deeply.") from None
    except (msgspec.MsgspecError, ValueError) as exc:
        raise MalformedMessageError(f"The body is no server message{place(exc)}.") from None
    kind = plain(raw.type, 100)
    if not kind:
        raise MalformedMessageError("message.type is missing, empty or no text.")
    call = raw.call or RawCall()
    started_at = instant(raw.started_at) or instant(call.started_at)
    ended_at = instant(raw.ended_at) or instant(call.ended_at)
    return ServerMessage(
        type=kind,
        has_call=raw.call is not None,
        call_id=identifier(call.id, "message.call.id"),
        call_type=plain(call.type, 40),
        phone_number_ids=identifiers(
            (call.phone_number_id, "message.call.phoneNumberId"),
            (raw.phone_number.id if raw.phone_number else None, "message.phoneNumber.id"),
        ),
        assistant_ids=identifiers(
            (call.assistant_id, "message.call.assistantId"),
            (assistant_id(raw.assistant), "message.assistant.id"),
        ),
        status=plain(raw.status, 40),
        control_url=control_url(call.monitor),
        caller_number=caller_number(raw.customer) or caller_number(call.customer),
        at=instant(raw.timestamp),
        started_at=started_at,
        ended_at=ended_at,
        ended_reason=plain(raw.ended_reason, 200) or plain(call.ended_reason, 200),
        duration_seconds=duration(raw, started_at, ended_at),
        cost=money(raw.cost) if raw.cost is not None else money(call.cost),
    )


def place(error: Exception) -> str:
    """Where in the body the fault is, as far as the decoder tells without naming values."""
    found = re.search(r"at `\$?([.\w\[\]]*)`$", str(error))
    return f": {found[1].lstrip('.')} has the wrong type" if found and found[1] else ""


def identifier(value: object, name: str) -> str | None:
    """An id or nothing; anything else would be stored, logged or compared, so it is refused."""
    if value is None:
        return None
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise MalformedMessageError(f"{name} is not an id.")
    return value


def identifiers(*candidates: tuple[object, str]) -> tuple[str, ...]:
    """The ids that are there, in order, each once."""
    found = [identifier(value, name) for value, name in candidates]
    return tuple(dict.fromkeys(value for value in found if value))


def assistant_id(raw: msgspec.Raw) -> object:
    """The id of a saved assistant; a transient one has none, and its shape is its owner's."""
    try:
        return ASSISTANT.decode(raw).id
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None


def plain(value: object, length: int) -> str | None:
    """Text for people and logs: no control, bidi or surrogate characters, cut to `length`."""
    if not isinstance(value, str):
        return None
    return UNSAFE.sub("", value)[:length].strip() or None


def control_url(monitor: object) -> str | None:
    value = monitor.get("controlUrl") if isinstance(monitor, dict) else None
    return value if isinstance(value, str) and 0 < len(value) <= 2048 else None


def caller_number(customer: object) -> str | None:
    value = customer.get("number") if isinstance(customer, dict) else None
    return plain(value, 40)


def number(value: object) -> float | None:
    """A finite number; Vapi writes some as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def instant(value: object) -> datetime | None:
    """Milliseconds since 1970 (since 2024-12) or an ISO text (before); None outside 2015–2100."""
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value[:40])
            seconds = parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp()
        except (ValueError, OverflowError):
            return None
    else:
        found = number(value)
        if found is None:
            return None
        seconds = found / 1000
    if not EARLIEST <= seconds < LATEST:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def duration(
    raw: RawMessage, started_at: datetime | None, ended_at: datetime | None
) -> float | None:
    """Seconds that the call lasted, from the best source there is; None if none is sane."""
    found = number(raw.duration_seconds)
    if found is None and (milliseconds := number(raw.duration_ms)) is not None:
        found = milliseconds / 1000
    if found is None and started_at is not None and ended_at is not None:
        found = (ended_at - started_at).total_seconds()
    return found if found is not None and 0 <= found < 10**7 else None


def money(value: object) -> Decimal | None:
    """A cost in Vapi's currency, US dollars."""
    found = number(value)
    return Decimal(str(round(found, 6))) if found is not None and abs(found) < 10**9 else None
