"""Decodes Vapi's server messages, and reads whose call they are about: all that a later one needs. Pure.

Recorded messages do not fit Vapi's own published spec. Fields that are not needed are ignored; optional
ones of a wrong type or out of range count as absent, as do a `monitor`, `customer` or `assistant` that
is no object. Fields that identify the call's owner must be well-formed: `call` and `phoneNumber` are
objects or null, ids are printable ASCII of 1 to 128 characters or null. UUIDs become small letters.

Of a repeated key the last one counts, as in most JSON parsers. A number that no double holds (1e999)
counts as infinity and is ignored; an integer of thousands of digits is malformed in the fields that we
read and ignored elsewhere.
"""

import re
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from policies.host.ids import canonical_id
from service.vapi.calls.figures import instant
from service.vapi.message_types import (
    AFTERWARDS,
    CONNECTED,
    END_OF_CALL_REPORT,
    EXPECTING_ANSWER,
    NOT_BEGUN,
    STATUS_UPDATE,
    TALKING,
    is_known,
)

ID = re.compile(r"[\x21-\x7e]{1,128}")
MAX_URL = 2048
UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)


NOT_UTF8 = "The body is not UTF-8."

Decoded = TypeVar("Decoded")


class MalformedMessageError(Exception):
    """The body is not a server message. The text names the invalid part, never its value."""


class RawObject(msgspec.Struct, gc=False):
    """A phone number or an assistant: only its id is read. The garbage collector skips these structs:
    JSON has no cycles."""

    id: Any = None


class RawPhoneNumber(RawObject, gc=False):
    """A phone number: its id and its digits."""

    number: Any = None


class RawCall(msgspec.Struct, rename="camel", gc=False):
    """The call's snapshot from its creation; its `status` is not live and not read."""

    id: Any = None
    type: Any = None
    phone_number_id: Any = None
    phone_number: RawObject | None = None
    assistant_id: Any = None
    monitor: Any = None
    customer: Any = None
    created_at: Any = None
    started_at: Any = None
    ended_at: Any = None
    ended_reason: Any = None
    cost: Any = None


class RawMessage(msgspec.Struct, rename="camel", gc=False):
    """The fields of `message` that we read."""

    type: Any = None
    call: RawCall | None = None
    phone_number: RawPhoneNumber | None = None
    assistant: msgspec.Raw = msgspec.Raw()
    customer: Any = None
    status: Any = None
    transcript_type: Any = None
    timestamp: Any = None
    started_at: Any = None
    ended_at: Any = None
    ended_reason: Any = None
    duration_seconds: Any = None
    duration_ms: Any = None
    cost: Any = None
    cost_breakdown: Any = None
    costs: Any = None
    transcript: Any = None
    recording_url: Any = None
    artifact: msgspec.Raw = msgspec.Raw()


class RawBody(msgspec.Struct, gc=False):
    """The envelope."""

    message: RawMessage


# Left alone, msgspec refuses the whole body for one cost of 1e999: then no end would be recorded.
BODY = msgspec.json.Decoder(RawBody, float_hook=float)
ASSISTANT = msgspec.json.Decoder(RawObject)
NO_CALL = RawCall()


class MessageHead(msgspec.Struct, frozen=True, gc=False):
    """What a message is, and whose call it is about. Ids are printable ASCII; `control_url` is a
    capability, unchecked. `at` is Vapi's instant of the message."""

    type: str
    has_call: bool = False
    call_id: str | None = None
    phone_number_ids: tuple[str, ...] = ()
    assistant_ids: tuple[str, ...] = ()
    status: str | None = None
    control_url: str | None = None
    at: datetime | None = None

    @property
    def ends_call(self) -> bool:
        """Whether it reports the end of the call."""
        if self.type == STATUS_UPDATE:
            return self.status == "ended"
        return self.type == END_OF_CALL_REPORT

    @property
    def shows_connection(self) -> bool:
        """Whether it proves that the two sides of the call were connected, unless it ends the call."""
        if self.type == STATUS_UPDATE:
            return self.status in CONNECTED
        return self.type.partition("[")[0] in TALKING

    @property
    def announces_call(self) -> bool:
        """Whether it reports a call that has not begun yet."""
        return self.type == STATUS_UPDATE and self.status in NOT_BEGUN

    @property
    def follows_call(self) -> bool:
        """Whether it is about the recordings or the data of a call that is over."""
        return self.type in AFTERWARDS

    @property
    def tells_of_live_call(self) -> bool:
        """Whether its call has begun and is not over, or has just ended."""
        return not (self.announces_call or self.follows_call)

    @property
    def is_asked(self) -> bool:
        """Whether Vapi uses the body of our answer, or may use it: a type that it does not document."""
        return self.type in EXPECTING_ANSWER or not is_known(self.type)


def read_head(raw: RawMessage) -> MessageHead:
    """The head of a decoded message. Raises `MalformedMessageError`."""
    kind = plain(raw.type, 100)
    if kind is None:
        raise MalformedMessageError("message.type is missing, empty or not a text.")
    call = raw.call or NO_CALL
    return MessageHead(
        kind,
        raw.call is not None,
        identifier(call.id, "message.call.id"),
        distinct(
            identifier(call.phone_number_id, "message.call.phoneNumberId"),
            identifier(raw.phone_number and raw.phone_number.id, "message.phoneNumber.id"),
            identifier(call.phone_number and call.phone_number.id, "message.call.phoneNumber.id"),
        ),
        distinct(
            identifier(call.assistant_id, "message.call.assistantId"),
            identifier(assistant_id(raw.assistant), "message.assistant.id"),
        ),
        plain(raw.status, 40),
        control_url(call.monitor),
        instant(raw.timestamp),
    )


def decode(body: bytes) -> RawMessage:
    """The fields that we read, unchecked."""
    try:
        # msgspec does not look into the strings of what it skips.
        if not body.isascii():
            body.decode()
    except UnicodeDecodeError:
        raise MalformedMessageError(NOT_UTF8) from None
    return decode_as(BODY, body).message


def decode_as(decoder: msgspec.json.Decoder[Decoded], body: bytes) -> Decoded:
    """The decoder's result. Raises `MalformedMessageError`."""
    try:
        return decoder.decode(body)
    except RecursionError:
        raise MalformedMessageError("The body is nested too deeply.") from None
    except (msgspec.MsgspecError, ValueError) as exc:
        raise MalformedMessageError(f"The body is not a server message{place(exc)}.") from None


def place(error: Exception) -> str:
    """The path of the invalid field, if it is one that we name; never a value or a sent key."""
    found = re.search(r"at `\$\.([.\w]+)(?:\[\.\.\.\])*`$", str(error))
    return f": {found[1]} has the wrong type or range" if found else ""


def identifier(value: object, name: str) -> str | None:
    """An id in canonical form or None; anything else is rejected: ids are stored and compared."""
    if value is None:
        return None
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise MalformedMessageError(f"{name} is not a valid id.")
    return canonical_id(value)


def distinct(*given: str | None) -> tuple[str, ...]:
    """The given ids in order, each once."""
    return tuple(dict.fromkeys(one for one in given if one is not None))


def assistant_id(raw: msgspec.Raw) -> object:
    """The id of a saved assistant; None for a transient one and for anything that is no object."""
    if not raw:
        return None
    try:
        return ASSISTANT.decode(raw).id
    except msgspec.MsgspecError:
        if bytes(raw).lstrip().startswith(b"{"):
            raise MalformedMessageError("message.assistant.id is not a valid id.") from None
        return None


def plain(value: object, length: int) -> str | None:
    """Text for people and logs: no control, bidi or surrogate characters, cut to `length`."""
    if not isinstance(value, str):
        return None
    if value.isascii() and value.isprintable():
        return value[:length].strip() or None
    return UNSAFE.sub("", value[: 4 * length])[:length].strip() or None


def control_url(monitor: object) -> str | None:
    """The control URL as sent, if it is printable ASCII: PostgreSQL stores no NUL."""
    value = monitor.get("controlUrl") if isinstance(monitor, dict) else None
    if not isinstance(value, str) or not 0 < len(value) <= MAX_URL:
        return None
    return value if value.isascii() and value.isprintable() else None
