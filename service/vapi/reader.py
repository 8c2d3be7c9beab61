"""Reading messages: small ones and heads at once, the rest in a process beside the service.

What a later message of a decided call is answered by is in its head, so most large messages never reach
that process: to hand a document over costs more than to skip through it.
"""

import asyncio
import codecs
import pickle
from typing import TypeAlias

import msgspec
from msgspec import UNSET, Raw, UnsetType

from service.beside import BesideError, WorkProcess
from service.vapi.message_heads import (
    NOT_UTF8,
    MalformedMessageError,
    MessageHead,
    decode,
    decode_as,
    read_head,
)
from service.vapi.messages import ServerMessage, parse_message

INLINE_BYTES = 256 * 1024
"""Parsed at once: in 0.1 ms, or in 50 if it is empty arrays in a field that we read."""
HEAD_BYTES = 8 * 2**20
"""The largest message whose head is read at once: in 3 ms, or in 30 if all of it is empty arrays."""
PIECE = 256 * 1024
"""What is checked in one turn of the event loop, in about 0.3 ms."""


Part: TypeAlias = Raw | UnsetType


class CallPart(msgspec.Struct, rename="camel", gc=False):
    """What a head takes from the call."""

    id: Part = UNSET
    phone_number_id: Part = UNSET
    phone_number: Part = UNSET
    assistant_id: Part = UNSET
    monitor: Part = UNSET


class MessagePart(msgspec.Struct, rename="camel", gc=False):
    """What a head takes from the message."""

    type: Part = UNSET
    call: CallPart | UnsetType | None = UNSET
    phone_number: Part = UNSET
    assistant: Part = UNSET
    status: Part = UNSET
    timestamp: Part = UNSET


class BodyPart(msgspec.Struct, gc=False):
    """The envelope."""

    message: MessagePart


BODY = msgspec.json.Decoder(BodyPart)


class MessageReader:
    """Parses messages; large ones one at a time."""

    def __init__(self) -> None:
        self.beside = WorkProcess(parse_pickled)

    async def parse(self, body: bytes) -> ServerMessage:
        """Read one webhook body. Raises `MalformedMessageError`."""
        if len(body) <= INLINE_BYTES:
            return parse_message(body)
        try:
            parsed = await self.beside.run(body)
        except BesideError:
            # A message is answered whatever happens to the process: slowly for all, this once.
            return parse_message(body)
        answer: ServerMessage | str = pickle.loads(parsed)  # noqa: S301 - by our own process
        if isinstance(answer, str):
            raise MalformedMessageError(answer)
        return answer

    async def find_large_head(self, body: bytes) -> MessageHead | None:
        """The head of a large message; None for a small one, and where only `parse` can tell it.

        Raises `MalformedMessageError`.
        """
        if not INLINE_BYTES < len(body) <= HEAD_BYTES:
            return None
        if not body.isascii():
            await check_utf8(body)
        return read_large_head(body)

    async def close(self) -> None:
        """End the process."""
        await self.beside.close()


def read_large_head(body: bytes) -> MessageHead | None:
    """The head of a message, whose UTF-8 is checked; None where the head is large itself.

    It is cut out as text, so that of the rest no object is made, and read like a small message. Raises
    `MalformedMessageError`.
    """
    head = msgspec.json.encode(decode_as(BODY, body))
    return None if len(head) > INLINE_BYTES else read_head(decode(head))


async def check_utf8(body: bytes) -> None:
    """Raise `MalformedMessageError` for a body that is not UTF-8; other work goes on between pieces."""
    decoder, view = codecs.getincrementaldecoder("utf-8")(), memoryview(body)
    try:
        for start in range(0, len(body), PIECE):
            decoder.decode(view[start : start + PIECE], final=start + PIECE >= len(body))
            await asyncio.sleep(0)
    except UnicodeDecodeError:
        raise MalformedMessageError(NOT_UTF8) from None


def parse_pickled(body: bytes) -> bytes:
    """The message, or what is wrong with it, pickled."""
    try:
        return pickle.dumps(parse_message(body))
    except MalformedMessageError as exc:
        return pickle.dumps(str(exc))
