"""The straight way on real connections: who may take it, in which order, what it needs of aiohttp."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from service.sandbox.server import SandboxVapi
from service.web.connections.connection import Connection
from service.web.connections.straight_parser import (
    OpenedMessage,
    RequestContent,
    RequestHead,
    Straight,
    StraightParser,
)
from tests.support.raw_http import RawConnection, RawReply, request
from tests.support.service import Replica, Start, eventually
from tests.support.settings import SECRET, secret_of

TALK = {"type": "speech-update", "status": "started"}


async def registered(callgate: Replica, vapi: SandboxVapi, **fields: object) -> tuple[str, str]:
    """A paying organization and its number."""
    number_id = str(vapi.add_number(provider="vapi")["id"])
    owner = await callgate.add_organization(**fields)  # type: ignore[arg-type]
    await callgate.add_number(owner, number_id)
    await callgate.api("PUT", f"/organizations/{owner}/plan", {"code": "pro", "status": "active"})
    return owner, number_id


def post(
    number_id: str, message: Mapping[str, Any], secret: str = SECRET, call: str = "c"
) -> bytes:
    """A message of a call."""
    full = {**message, "call": {"id": call, "phoneNumberId": number_id}}
    return request(orjson.dumps({"message": full}), ("X-Vapi-Secret", secret))


def connection_of(callgate: Replica, *, proved: bool = True) -> Connection:
    """The one connection to the webhook; that of the test's own client asks the API only."""
    found = list(callgate.service.web.doors.by_handler.values())
    return next(one for one in reversed(found) if one.proved == proved)


def parser_of(connection: Connection) -> StraightParser:
    parser: object = connection.inner._parser
    assert isinstance(parser, StraightParser)
    return parser


def port_of(callgate: Replica) -> int:
    return int(callgate.url.rpartition(":")[2])


async def ask(raw: RawConnection, data: bytes) -> RawReply:
    await raw.send([data])
    reply = await raw.read()
    assert reply is not None
    return reply


@dataclass(slots=True)
class Noted:
    """The straight way, and what it took."""

    straight: Straight
    taken: list[str] = field(default_factory=list)

    def take(self, head: RequestHead, content: RequestContent) -> bytes | OpenedMessage | None:
        found = self.straight.take(head, content)
        self.taken.append(type(found).__name__)
        return found


async def test_it_is_for_later_messages_of_proved_connections(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    owner, number_id = await registered(callgate, vapi)
    other, _ = await registered(callgate, vapi)
    raw = await RawConnection.open(port_of(callgate))
    assert (await ask(raw, post(number_id, TALK, "wrong"))).status == 401
    connection = connection_of(callgate, proved=False)
    noted = Noted(callgate.service.web.straight)
    parser_of(connection).straight = noted
    await asyncio.sleep(1.1)  # a refused sender waits
    assert (await ask(raw, post(number_id, TALK))).status == 200
    assert noted.taken == []
    for _ in range(2):
        assert (await ask(raw, post(number_id, TALK, secret_of(owner)))).status == 200
    refused = await ask(raw, post(number_id, TALK, secret_of(other)))
    assert orjson.loads(refused.body)["code"] == "wrong_organization"
    refused = await ask(raw, post(number_id, TALK, "wrong"))
    assert orjson.loads(refused.body)["code"] == "unauthorized"
    assert noted.taken == ["bytes", "bytes", "OpenedMessage", "NoneType"]
    raw.close()


async def test_answers_keep_the_order_of_requests(
    start_replica: Start, vapi: SandboxVapi, open_webhook: Callable[[], Any]
) -> None:
    """A later message behind a slow one, in the same segment or another, waits for its answer."""
    callgate = await start_replica(callgate_relay_hosts="127.0.0.1")
    slow = await open_webhook()
    slow.answer, slow.delay = {"assistantId": "a"}, 0.5
    _, number_id = await registered(callgate, vapi, forward_url=slow.url)
    _, direct = await registered(callgate, vapi)
    raw = await RawConnection.open(port_of(callgate))
    for _ in range(2):
        assert (await ask(raw, post(direct, TALK, call="later"))).status == 200
    asking = post(number_id, {"type": "assistant-request"}, call="slow")
    await raw.send([asking, post(direct, TALK, call="later"), post(direct, TALK, call="later")])
    bodies = [reply.body for _ in range(3) if (reply := await raw.read()) is not None]
    assert [orjson.loads(body) for body in bodies] == [{"assistantId": "a"}, {}, {}]
    raw.close()


async def test_a_draining_service_closes_after_the_answer(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    _, number_id = await registered(callgate, vapi)
    raw = await RawConnection.open(port_of(callgate))
    for _ in range(3):
        reply = await ask(raw, post(number_id, TALK))
        assert "connection" not in reply.headers
    callgate.service.drain()
    reply = await ask(raw, post(number_id, TALK))
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert await raw.read() is None
    raw.close()


async def test_a_fault_of_the_straight_way_leaves_the_message_to_the_general_way(
    callgate: Replica, vapi: SandboxVapi
) -> None:
    _, number_id = await registered(callgate, vapi)
    raw = await RawConnection.open(port_of(callgate))
    assert (await ask(raw, post(number_id, TALK))).status == 200

    class Broken:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError

    broken: Any = Broken()
    parser, straight = parser_of(connection_of(callgate)), callgate.service.web.straight
    parser.straight = broken
    assert (await ask(raw, post(number_id, TALK))).status == 200
    # The body is read by then.
    for part in ("gate", "answers", "writer"):
        parser.straight = replace(straight, **{part: broken})
        assert (await ask(raw, post(number_id, TALK))).status == 200
    raw.close()


async def test_what_it_takes_of_aiohttp_is_there(callgate: Replica, vapi: SandboxVapi) -> None:
    """Its parser, the end of each request, and the time at which an idle connection is closed."""
    _, number_id = await registered(callgate, vapi)
    raw = await RawConnection.open(port_of(callgate))
    assert (await ask(raw, post(number_id, TALK))).status == 200
    handler, parser = connection_of(callgate).inner, parser_of(connection_of(callgate))

    async def settled() -> bool:
        return parser.unanswered == 0

    await eventually(settled)
    await ask(raw, post(number_id, TALK))
    for odd in (request(b"", line="GET /healthz HTTP/1.1"), post(number_id, TALK)[:-1] + b"]"):
        await ask(raw, odd)
        await eventually(settled)
    before = handler._next_keepalive_close_time
    await asyncio.sleep(0.05)
    assert (await ask(raw, post(number_id, TALK))).status == 200
    assert handler._next_keepalive_close_time > before
    broken = await ask(raw, b"POST / HTTP/9.9\r\n\r\n")
    assert broken.status == 400
    assert await raw.read() is None
    raw.close()
