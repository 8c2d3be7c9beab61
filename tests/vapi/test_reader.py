"""Large messages are read by another process, so that they keep no caller waiting."""

import asyncio
import time
from collections.abc import AsyncIterator

import orjson
import pytest

from service.vapi.message_heads import MalformedMessageError, decode, read_head
from service.vapi.messages import parse_message
from service.vapi.reader import HEAD_BYTES, INLINE_BYTES, PIECE, MessageReader

REPORT = {
    "type": "end-of-call-report",
    "call": {"id": "call-1", "phoneNumberId": "number-1"},
    "cost": 0.25,
    "endedReason": "customer-ended-call",
}


def report(small_objects: int) -> bytes:
    messages = [{"role": "bot", "time": 1}] * small_objects
    return orjson.dumps({"message": {**REPORT, "artifact": {"messages": messages}}})


@pytest.fixture
async def reader() -> AsyncIterator[MessageReader]:
    reader = MessageReader()
    yield reader
    await reader.close()


async def test_small_and_large_messages_are_read_alike(reader: MessageReader) -> None:
    for body in (report(10), report(20_000)):
        assert await reader.parse(body) == parse_message(body)
    assert len(report(20_000)) > INLINE_BYTES
    assert reader.beside.process is not None


async def test_a_large_malformed_message_is_refused_in_the_same_words(
    reader: MessageReader,
) -> None:
    for body in (
        b"[" * 2**20,
        report(20_000)[:-1],
        b"\xff" * 2**20,
        b'{"message":{"type":7}}' + b" " * 2**19,
    ):
        with pytest.raises(MalformedMessageError) as here:
            parse_message(body)
        with pytest.raises(MalformedMessageError) as there:
            await reader.parse(body)
        assert str(there.value) == str(here.value)


async def test_the_loop_goes_on_meanwhile(reader: MessageReader) -> None:
    await reader.parse(report(20_000))
    body = report(400_000)
    longest, running = 0.0, True

    async def watch() -> None:
        nonlocal longest
        while running:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - began)

    watching = asyncio.create_task(watch())
    began = time.perf_counter()
    assert (await reader.parse(body)).type == "end-of-call-report"
    taken = time.perf_counter() - began
    running = False
    await watching
    assert longest < max(0.1, taken / 2)


async def test_a_message_is_read_even_when_the_process_dies(reader: MessageReader) -> None:
    body = report(20_000)
    await reader.parse(body)
    assert reader.beside.process is not None
    reader.beside.process.kill()
    await reader.beside.process.wait()
    assert await reader.parse(body) == parse_message(body)
    reading = asyncio.create_task(reader.parse(report(400_000)))
    await asyncio.sleep(0.05)
    if reader.beside.process is not None:
        reader.beside.process.kill()
    assert (await reading).call_id == "call-1"


async def test_the_head_of_a_large_message_is_read_without_the_process(
    reader: MessageReader,
) -> None:
    body = report(20_000)
    assert await reader.find_large_head(body) == read_head(decode(body))
    assert await reader.find_large_head(report(10)) is None, "a small one is read as a whole"
    assert await reader.find_large_head(b" " * (HEAD_BYTES + 1)) is None, "it would take too long"
    assert reader.beside.process is None


async def test_a_large_head_needs_sound_utf8_in_all_of_the_body(reader: MessageReader) -> None:
    for shift in range(3):
        filler = b"x" * shift + "€".encode() * PIECE
        body = b'{"message":{"type":"hang","x":"%b"}}'
        found = await reader.find_large_head(body % filler)
        assert found is not None, "a character may lie on the edge of two pieces"
        assert found.type == "hang"
        for broken in (filler[:-1], b"x" * PIECE + b"\xff" + b"x" * PIECE):
            with pytest.raises(MalformedMessageError, match=r"The body is not UTF-8\."):
                await reader.find_large_head(body % broken)
