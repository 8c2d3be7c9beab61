"""Offers whole requests to the straight way, before aiohttp makes a task, a request and a response.

What depends on aiohttp's inside is here, and `tests/web/connections/test_straight_parser.py` holds it:
a handler's `_parser` and `_next_keepalive_close_time`, and that `finish_response` ends each request.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import UUID

import structlog
from aiohttp import web
from multidict import CIMultiDictProxy

from service.access.rulings import Ruling
from service.vapi.messages import ServerMessage

if TYPE_CHECKING:
    from service.web.connections.connection import Connection

log = structlog.get_logger()


class RequestHead(Protocol):
    """The parsed head of a request, as aiohttp's parser gives it."""

    method: str
    path: str
    version: tuple[int, int]
    headers: CIMultiDictProxy[str]
    raw_headers: Sequence[tuple[bytes, bytes]]
    should_close: bool


class RequestContent(Protocol):
    """The body of a request, as aiohttp's parser feeds it."""

    total_bytes: int

    def is_eof(self) -> bool: ...
    def read_nowait(self) -> bytes: ...


class OpenedMessage(NamedTuple):
    """A proved message that is still to be answered. `began` is of `time.perf_counter`.

    `proved`: the only organization whose messages the secret proves; None: it proves all.
    `message` is None where the body is not decoded yet, `ruling` where none is made.
    """

    began: float
    proved: UUID | None
    body: bytes
    message: ServerMessage | None = None
    ruling: Ruling | None = None


class Straight(Protocol):
    """What may answer a request at once."""

    def take(self, head: RequestHead, content: RequestContent) -> bytes | OpenedMessage | None:
        """The answer; or what is proved and read of it; None if nothing was touched."""
        ...


class StraightParser:
    """In the place of a handler's parser: gives aiohttp what is not answered yet.

    `unanswered` are the requests that aiohttp has got and not answered: one that is offered to the
    straight way is the only one of its connection, so answers keep the order of requests.
    """

    def __init__(
        self, connection: "Connection", handler: web.RequestHandler, straight: Straight
    ) -> None:
        self.connection = connection
        self.handler = handler
        self.straight = straight
        self.unanswered = 0
        self.parser: Any = handler._parser
        handler._parser = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.parser, name)

    def feed_data(self, data: bytes) -> tuple[Sequence[Any], bool, bytes]:
        """Parse; a request that is alone on a proved connection may be answered at once."""
        messages, upgraded, tail = self.parser.feed_data(data)
        alone = len(messages) == 1 and not self.unanswered and not upgraded
        if alone and self.connection.proved and not self.handler.writing_paused:
            head, content = messages[0]
            if self.answer(head, content):
                self.parser.message_consumed()
                return (), False, tail
        self.unanswered += len(messages)
        return messages, upgraded, tail

    def finish(self, response: web.StreamResponse) -> None:
        """aiohttp has answered a request. After an answer that closes the connection nothing is."""
        if response.keep_alive:
            self.unanswered -= 1

    def answer(self, head: RequestHead, content: RequestContent) -> bool:
        """Whether the straight way has answered; what it opened waits for the general way."""
        try:
            taken = self.straight.take(head, content)
        except Exception:
            log.exception("webhook.straight_way_failed")
            return False
        if isinstance(taken, bytes):
            self.connection.answered(taken)
            handler = self.handler
            now = asyncio.get_running_loop().time()
            handler._next_keepalive_close_time = now + handler.keepalive_timeout
            return True
        if taken is not None:
            self.connection.opened = content, taken
        return False
