"""Answers that are a status and a few bytes: as a response of aiohttp, or as the bytes it sends."""

import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple

from aiohttp import web

from service.web.headers import as_bytes

JSON = "application/json"


class PlainAnswer(NamedTuple):
    """A whole answer, except for the headers that every answer has."""

    status: int
    media_type: str
    body: bytes

    def response(self) -> web.Response:
        """The answer for aiohttp."""
        return web.Response(status=self.status, body=self.body, content_type=self.media_type)


class AnswerWriter:
    """Writes answers to connections that stay open. `extra` are headers that all of them have."""

    def __init__(self, extra: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self.extra = as_bytes() + "".join(f"{key}: {extra[key]}\r\n" for key in extra).encode()
        self.clock = clock
        self.heads: dict[tuple[int, str], bytes] = {}
        self.second, self.date = -1, b""

    def write(self, answer: PlainAnswer) -> bytes:
        """The bytes of an answer."""
        status, media_type, body = answer
        head = self.heads.get((status, media_type)) or self.prepare(status, media_type)
        if (second := int(self.clock())) != self.second:
            self.second, self.date = second, formatdate(second, usegmt=True).encode()
        return b"%b%d\r\nDate: %b\r\n\r\n%b" % (head, len(body), self.date, body)

    def prepare(self, status: int, media_type: str) -> bytes:
        """Everything before the length: the same for all answers of a kind."""
        line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {media_type}\r\n"
        head = line.encode() + self.extra + b"Content-Length: "
        self.heads[status, media_type] = head
        return head
