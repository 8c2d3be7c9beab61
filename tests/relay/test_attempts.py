"""Attempts that fail by an error of ours: the call waits for another try and is never left as it is."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import aiohttp
import pytest
import structlog

from service.domain.network.forward_urls import ForwardUrls
from service.relay.delivery import RelayServers
from service.relay.limits import RelayLimits
from service.relay.queues import RelayMessage
from service.relay.sender import Sender
from service.relay.servers import DeliveryFates
from service.relay.targets import RelayTargets
from service.store.vault import Vault
from tests.support.client_servers import ClientServer, client_server
from tests.support.own_servers import Directory
from tests.support.service import eventually

OWNER = UUID(int=1)


@pytest.fixture
async def own() -> AsyncIterator[ClientServer]:
    """A server that takes everything."""
    async with client_server("well") as server:
        yield server


@pytest.fixture
async def relay(own: ClientServer) -> AsyncIterator[RelayServers]:
    directory = Directory({OWNER: own.url})
    targets = RelayTargets(directory.find, Vault(["the key of this test"]), "master", time.time)
    made = RelayServers(Sender(ForwardUrls(("127.0.0.1",))), targets, RelayLimits())
    yield made
    await made.close()


def message(text: str) -> RelayMessage:
    return RelayMessage(OWNER, "msg_1", "hang", "application/json", text.encode(), call_id="c")


async def test_an_error_of_ours_is_logged_and_the_call_goes_on(
    relay: RelayServers, own: ClientServer
) -> None:
    session = relay.sender.session
    relay.sender.session = aiohttp.ClientSession()
    await relay.sender.session.close()
    try:
        with structlog.testing.capture_logs() as logged:
            for index in range(3):
                relay.forward(message(str(index)))
            await eventually(lambda: asyncio.sleep(0, relay.report.failed == 1))
    finally:
        relay.sender.session = session
    assert [line["event"] for line in logged] == ["relay.attempt_failed"]
    assert logged[0]["organization_id"] == str(OWNER)
    await eventually(lambda: asyncio.sleep(0, relay.report.delivered == 3))
    assert [body for _, body in own.requests] == [b"0", b"1", b"2"]


async def test_vapi_gets_no_answer_of_the_server_after_an_error_of_ours(
    relay: RelayServers, own: ClientServer
) -> None:
    session = relay.sender.session
    relay.sender.session = aiohttp.ClientSession()
    await relay.sender.session.close()
    try:
        assert await relay.ask(message("{}"), 5.0) is None
    finally:
        relay.sender.session = session
    assert relay.report.unanswered["failed"] == 1
    answer = await relay.ask(message("{}"), 5.0)
    assert answer is not None
    assert answer.status == 200


class FaultyFates(DeliveryFates):
    """The body of the first message cannot be loaded, by an error of ours."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.failed: list[tuple[int, str]] = []
        self.delivered: list[int] = []

    async def load(self, message: RelayMessage) -> bytes | None:
        if message.row == 1:
            raise self.error
        return message.body

    def note_failed(self, message: RelayMessage, error: str) -> None:
        self.failed.append((message.row, error))

    def note_delivered(self, message: RelayMessage) -> None:
        self.delivered.append(message.row)


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
async def test_after_an_error_of_ours_a_lasting_message_waits_elsewhere(
    relay: RelayServers, error: type[BaseException]
) -> None:
    relay.fates = fates = FaultyFates(error())
    server = relay.find(OWNER)
    for row in (1, 2):
        server.deliver(replace(message("{}"), is_lasting=True, row=row))
        await eventually(lambda: asyncio.sleep(0, not server.tasks))
    assert fates.failed == [(1, f"The exchange broke off ({error.__name__}).")]
    assert fates.delivered == [2]
    assert server.queue.under_way == {}
