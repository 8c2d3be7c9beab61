"""One organization's server is slow, failing or hostile; real sockets, no service around it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from uuid import UUID

import pytest

from service.domain.network.forward_urls import ForwardUrls
from service.relay.delivery import RelayServers
from service.relay.limits import RelayLimits
from service.relay.queues import RelayMessage
from service.relay.sender import Sender
from service.relay.shares import FairShare, RelayShares
from service.relay.targets import RelayTargets
from service.store.vault import Vault
from tests.support.client_servers import client_server, well
from tests.support.name_server import name_server
from tests.support.own_servers import Directory
from tests.support.service import eventually

HOSTILE, OTHER = UUID(int=1), UUID(int=2)
Make = Callable[..., RelayServers]
LIMITS = RelayLimits(delivery_seconds=0.5)
ANSWER = b'{"assistantId": "theirs"}'
VAULT = Vault(["the-encryption-key-of-this-test"])


DIRECTORY = Directory()


async def ask(relay: RelayServers, given: RelayMessage, seconds: float = 5.0) -> bytes | None:
    """The body of a server's answer."""
    answer = await relay.ask(given, seconds)
    return None if answer is None else answer.body


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Makes relays."""
    async with AsyncExitStack() as stack:

        def build(
            limits: RelayLimits = LIMITS,
            name_servers: tuple[str, ...] = (),
            shares: RelayShares | None = None,
        ) -> RelayServers:
            targets = RelayTargets(DIRECTORY.find, VAULT, "the master", time.time)
            sender = Sender(ForwardUrls(("127.0.0.1",)), name_servers)
            relay = RelayServers(sender, targets, limits, shares)
            stack.push_async_callback(relay.close, 0.1)
            return relay

        yield build


def message(url: str, owner: UUID = OTHER, *, call: str = "c", text: str = "{}") -> RelayMessage:
    """A message for a server, to which all messages of its organization go from now on."""
    DIRECTORY.urls[owner] = url
    return RelayMessage(owner, "msg_1", "hang", "application/json", text.encode(), call_id=call)


async def test_an_answer_in_two_segments_comes_back_whole(make: Make) -> None:
    async with client_server("in_two_segments") as server:
        answer = await ask(make(RelayLimits()), message(server.url))
        assert answer == ANSWER


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("one_byte_a_second", "timeout"),
        ("never", "timeout"),
        ("fifty_megabytes", "failed"),
        ("close_at_once", "failed"),
        ("redirect", "status"),
        ("compressed", "failed"),
    ],
)
async def test_a_bad_answer_is_bounded_and_delays_no_other_organization(
    make: Make, kind: str, reason: str
) -> None:
    relay = make(LIMITS)
    async with client_server(kind) as bad, client_server("well") as good:
        asked = [asyncio.create_task(ask(relay, message(bad.url, HOSTILE), 1.0)) for _ in range(5)]
        for index in range(200):
            relay.forward(message(bad.url, HOSTILE, call=str(index)))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        assert await ask(relay, message(good.url)) == ANSWER
        assert time.monotonic() - began < 0.8
        assert await asyncio.gather(*asked) == [None] * 5
        assert relay.report.unanswered == {reason: 5}
        assert all(b"/hook" in head for head, _ in bad.requests)


async def test_requests_over_the_limit_are_refused_at_once_and_others_are_not(make: Make) -> None:
    relay = make(replace(LIMITS, answers=3))
    async with client_server("never") as bad, client_server("well") as good:
        asked = [asyncio.create_task(ask(relay, message(bad.url, HOSTILE), 1.0)) for _ in range(20)]
        await asyncio.sleep(0.1)
        assert relay.report.unanswered == {"busy": 17}
        assert await ask(relay, message(good.url)) is not None
        await asyncio.gather(*asked)
        assert bad.most_open == 3


async def test_an_answer_that_is_being_read_counts_against_the_limit(make: Make) -> None:
    relay = make(replace(LIMITS, answers=1))
    async with client_server("one_byte_a_second") as bad:
        for read in (relay.ask, relay.ask_for_object):
            reading = asyncio.create_task(read(message(bad.url, HOSTILE), 1.0))
            await asyncio.sleep(0.3)
            assert await ask(relay, message(bad.url, HOSTILE), 1.0) is None
            assert await reading is None
        assert relay.report.unanswered == {"busy": 2, "timeout": 2}


async def test_answers_never_queue_behind_messages_that_vapi_does_not_wait_for(make: Make) -> None:
    slow = asyncio.Event()

    async def held(writer: asyncio.StreamWriter) -> None:
        if len(server.requests) <= 2:
            await slow.wait()
        await well(writer)

    relay = make(replace(LIMITS, connections=2, delivery_seconds=5.0))
    async with client_server(held) as server:
        for index in range(50):
            relay.forward(message(server.url, call=str(index)))
        await eventually(lambda: asyncio.sleep(0, len(server.requests) == 2))
        assert await ask(relay, message(server.url)) == ANSWER
        assert relay.waiting == 48
        slow.set()
        await eventually(lambda: asyncio.sleep(0, relay.report.delivered == 50))
        assert server.most_open <= 3


async def test_the_order_of_a_call_is_kept_over_failures(make: Make) -> None:
    async def first_fails(writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 1:
            writer.write(b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n")
        else:
            await well(writer)

    relay = make()
    async with client_server(first_fails) as server:
        for index in range(5):
            relay.forward(message(server.url, text=str(index)))
        await eventually(lambda: asyncio.sleep(0, relay.report.delivered == 5))
        assert [body for _, body in server.requests] == [b"0", b"0", b"1", b"2", b"3", b"4"]


async def test_a_failing_server_gets_one_probe_at_a_time_and_all_once_it_works(make: Make) -> None:
    works = asyncio.Event()

    async def broken(writer: asyncio.StreamWriter) -> None:
        if works.is_set():
            await well(writer)
        else:
            writer.close()

    relay = make()
    async with client_server(broken) as server:
        for index in range(100):
            relay.forward(message(server.url, HOSTILE, call=str(index)))
        await eventually(lambda: asyncio.sleep(0, relay.failing() == [HOSTILE]))
        await asyncio.sleep(0.5)
        tried = len(server.requests)
        assert tried <= LIMITS.connections
        works.set()
        await eventually(lambda: asyncio.sleep(0, relay.report.delivered == 100))
        assert relay.report.dropped.total() == 0


async def test_requests_to_a_server_that_hangs_are_refused_at_once_until_it_answers(
    make: Make,
) -> None:
    works = asyncio.Event()

    async def hangs(writer: asyncio.StreamWriter) -> None:
        if works.is_set():
            await well(writer)
        else:
            await asyncio.sleep(60)

    relay = make(LIMITS)
    async with client_server(hangs) as server:
        hostile = message(server.url, HOSTILE)
        await asyncio.gather(*(ask(relay, hostile, 0.3) for _ in range(10)))
        began = time.monotonic()
        assert await ask(relay, hostile, 5.0) is None
        assert time.monotonic() - began < 3.0
        assert relay.report.unanswered == {"timeout": 10, "breaker_open": 1}
        works.set()

        async def answered() -> bool:
            return await ask(relay, hostile, 0.3) is not None

        assert await eventually(answered)
        assert relay.failing() == []


async def test_another_url_starts_without_failures(make: Make) -> None:
    relay = make(LIMITS)
    async with client_server("never") as bad, client_server("well") as good:
        await asyncio.gather(*(ask(relay, message(bad.url), 0.2) for _ in range(10)))
        assert relay.failing() == [OTHER]
        assert await ask(relay, message(good.url)) is not None
        assert relay.failing() == []


async def test_a_full_queue_drops_passing_messages_and_says_so(make: Make) -> None:
    relay = make(replace(LIMITS, waiting_messages=10, connections=1, delivery_seconds=5.0))
    async with client_server("never") as server:
        for index in range(30):
            relay.forward(message(server.url, HOSTILE, call=str(index)))
            await asyncio.sleep(0)
        assert relay.waiting == 10
        assert relay.report.dropped == {(False, "queue_full"): 19}
        assert relay.failing() == [HOSTILE]


async def test_names_of_twenty_clients_that_hang_delay_no_other(make: Make) -> None:
    async with name_server({}, silent=("hangs",)) as names, client_server("well") as good:
        relay = make(name_servers=(names.address,))
        for index in range(20):
            owner = UUID(int=100 + index)
            for _ in range(20):
                relay.forward(message(f"https://client-{index}.hangs/", owner))
        await eventually(lambda: asyncio.sleep(0, len(names.asked) == 20))
        began = time.monotonic()
        assert await ask(relay, message(good.url)) == ANSWER
        assert time.monotonic() - began < 1.5


async def test_a_name_that_leads_inside_is_never_connected(make: Make) -> None:
    async with client_server("well") as inside:
        async with name_server({"client.example": "127.0.0.1"}) as names:
            relay = make(name_servers=(names.address,))
            url = f"https://client.example:{inside.port}/hook"
            assert await ask(relay, message(url)) is None
            assert names.asked["client.example"] > 0
        assert inside.most_open == 0


async def test_one_organization_never_uses_up_the_connections_of_all(make: Make) -> None:
    shares = RelayShares(FairShare(12), FairShare(2**20))
    relay = make(replace(LIMITS, answers=100), shares=shares)
    async with client_server("never") as bad, client_server("well") as good:
        asked = [asyncio.create_task(ask(relay, message(bad.url, HOSTILE), 1.0)) for _ in range(50)]
        for index in range(50):
            relay.forward(message(bad.url, HOSTILE, call=str(index)))
        await asyncio.sleep(0.1)
        assert bad.most_open <= 7
        answers = await asyncio.gather(*(ask(relay, message(good.url)) for _ in range(3)))
        assert None not in answers
        await asyncio.gather(*asked)


async def test_one_organization_never_uses_up_the_bytes_of_all(make: Make) -> None:
    relay = make(
        replace(LIMITS, waiting_bytes=2**20), shares=RelayShares(FairShare(12), FairShare(2**20))
    )
    async with client_server("never") as bad:
        for index in range(64):
            relay.forward(message(bad.url, HOSTILE, call=str(index), text="x" * 2**15))
        assert relay.held_bytes <= 2**19 + 2**15
        relay.forward(message(bad.url, OTHER, text="x" * 2**17))
        assert relay.servers[OTHER].queue.held_bytes == 2**17


async def test_an_answer_of_countless_values_is_unusable_and_stops_no_one(make: Make) -> None:
    async def countless(writer: asyncio.StreamWriter) -> None:
        content = b'{"a":[' + b"[]," * 300_000 + b"1]}"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content)

    relay = make(LIMITS)
    async with client_server(countless) as server:
        assert await relay.ask_for_object(message(server.url, HOSTILE), 5.0) is None
    assert relay.report.unanswered == {"unusable": 1}


async def test_an_answer_with_a_long_text_comes_back_whole(make: Make) -> None:
    text = "a, b " * 50_000

    async def long_text(writer: asyncio.StreamWriter) -> None:
        content = b'{"text": "' + text.encode() + b'"}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content)

    relay = make(LIMITS)
    async with client_server(long_text) as server:
        assert await relay.ask_for_object(message(server.url), 5.0) == {"text": text}
