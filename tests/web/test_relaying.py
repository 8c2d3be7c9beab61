"""Large bodies are cleaned for organizations' servers beside the service: no caller waits for it."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from service.beside import BesideError, WorkProcess
from service.domain.organizations import Organization
from service.relay.redaction import changed_only, redact
from service.vapi.messages import ServerMessage
from service.web.relaying import THREAD_BYTES, GivenMessage, Relaying, UncleanedError
from tests.support.service import Replica

ONE, OTHER = (UUID(int=1), False), (UUID(int=2), False)
ASKED = (UUID(int=1), True)
"""A message of the first one whose answer Vapi waits for."""
MASTER = b"the-master-secret-of-this-test"


@pytest.fixture
async def relaying(callgate: Replica) -> AsyncIterator[Relaying]:
    relaying = Relaying(callgate.service.relay, (MASTER,))
    yield relaying
    await relaying.close()


def body(size: int, inner: bytes) -> bytes:
    return b'{"message":{"artifact":{"text":"' + b"x" * size + b'"},' + inner + b'"a":1}}'


@pytest.mark.parametrize(
    "inner",
    [b"", b'"secret":"s",', b'"note":"' + MASTER + b'",', b'"server":{"headers":{"a":1}},'],
)
async def test_large_bodies_are_cleaned_like_small_ones(relaying: Relaying, inner: bytes) -> None:
    for size in (10, THREAD_BYTES + 1):
        given = body(size, inner)
        assert await relaying.clean(given, ONE) == redact(given, (MASTER,))


async def test_the_loop_goes_on_meanwhile(relaying: Relaying) -> None:
    await relaying.clean(body(THREAD_BYTES, b""), ONE)
    given = body(30 * 2**20, b'"secret":"s",')
    longest, running = 0.0, True

    async def watch() -> None:
        nonlocal longest
        while running:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - began)

    watching = asyncio.create_task(watch())
    began = time.perf_counter()
    assert b"secret" not in await relaying.clean(given, ONE)
    taken = time.perf_counter() - began
    running = False
    await watching
    assert longest < max(0.1, taken / 2)


async def test_of_one_organization_one_body_is_cleaned_at_a_time(relaying: Relaying) -> None:
    given = body(8 * 2**20, b'"secret":"s",')
    many = [asyncio.create_task(relaying.clean(given, ONE)) for _ in range(6)]
    await asyncio.sleep(0)
    await relaying.clean(body(THREAD_BYTES, b""), OTHER)
    assert sum(task.done() for task in many) <= 2
    await asyncio.gather(*many)


async def test_an_answer_queues_behind_no_other_message_and_ends_in_time(
    relaying: Relaying,
) -> None:
    given = body(8 * 2**20, b'"secret":"s",')
    many = [asyncio.create_task(relaying.clean(given, ONE)) for _ in range(6)]
    await asyncio.sleep(0)
    await relaying.clean(body(THREAD_BYTES, b""), ASKED)
    assert sum(task.done() for task in many) <= 2
    with pytest.raises(UncleanedError):
        await relaying.prepare(
            GivenMessage(
                ServerMessage("assistant-request", has_call=True, call_id="c"),
                given,
                "application/json",
                Organization(ONE[0], "Bakery", forward_url="https://bakery.example.com"),
            ),
            asked=True,
            seconds=0.01,
        )
    await asyncio.gather(*many)


async def test_a_body_that_takes_too_long_is_given_up_and_the_next_one_is_not(
    relaying: Relaying,
) -> None:
    relaying.beside = WorkProcess(changed_only, seconds=1.0)
    await relaying.clean(body(THREAD_BYTES, b""), ONE)
    slow = b'{"secret":1,"m":[' + b"[]," * (10 * 2**20) + b"1]}"
    with pytest.raises(BesideError):
        await relaying.clean(slow, ONE)
    relaying.beside.seconds = 10.0
    given = body(THREAD_BYTES, b'"secret":"s",')
    assert await relaying.clean(given, OTHER) == redact(given)
