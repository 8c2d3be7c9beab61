"""Posts one message to an organization's server: where it may go, how long, how much comes back.

The URL and every address behind its name are checked at each connection. Redirects are not followed.
"""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

import aiohttp
from yarl import URL

from service.domain.errors import InvalidError
from service.domain.network.forward_urls import ForwardUrls, is_listed
from service.relay.answers import RelayAnswer
from service.relay.headers import LOOP, RELAY_HEADER, header_value, relayed_headers
from service.relay.queues import RelayMessage
from service.relay.targets import RelayTarget
from service.vapi.lookups import Lookups
from service.vapi.resolver import PublicResolver

READ_BYTES = 16 * 1024
"""What a connection buffers of an answer that is not read yet."""
UNUSED_ANSWER_BYTES = 64 * 1024
UNUSED_ANSWER_SECONDS = 1.0
"""How much of an answer that Callgate does not need is read, to use the connection again."""
IDLE_SECONDS = 15.0
INLINE_BYTES = 256 * 1024
"""Larger bodies are signed in a thread."""


class ServerStatusError(Exception):
    """The server answered with a status that counts as a failure."""

    def __init__(self, status: int) -> None:
        super().__init__(f"The server answered {status}.")
        self.status = status


class RelayLoopError(Exception):
    """The server is a webhook of Callgate itself."""


class AnswerTooLargeError(Exception):
    """The answer, or all answers that are being read, exceed the limit."""


FAILURES = (
    aiohttp.ClientError,
    AnswerTooLargeError,
    InvalidError,
    OSError,
    RelayLoopError,
    ServerStatusError,
    TimeoutError,
    ValueError,
)
"""What sending a message may raise."""


class AnswerBudget:
    """Bytes of answers that one organization's server may have Callgate hold."""

    def __init__(self, most_each: int, most: int) -> None:
        self.most_each = most_each
        self.most = most
        self.held = 0

    async def read(self, response: aiohttp.ClientResponse) -> bytes:
        """The whole answer, however many parts it comes in. Raises `AnswerTooLargeError`."""
        answer = bytearray()
        try:
            async for part in response.content.iter_any():
                answer += part
                self.held += len(part)
                if len(answer) > self.most_each or self.held > self.most:
                    raise AnswerTooLargeError
            return bytes(answer)
        finally:
            self.held -= len(answer)


class Sender:
    """Posts bodies on, unchanged. Create it inside the running event loop, and close it.

    It has no limits of its own: whatever it limited for all, one organization could use up. `now` is
    the time that signatures state, in seconds since 1970.
    """

    def __init__(
        self,
        forward_urls: ForwardUrls,
        name_servers: Sequence[str] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self.now = now
        self.forward_urls = forward_urls
        self.resolver = PublicResolver(
            Lookups(name_servers), partial(is_listed, relay_hosts=forward_urls.relay_hosts)
        )
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                resolver=self.resolver,
                use_dns_cache=False,
                keepalive_timeout=IDLE_SECONDS,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=READ_BYTES,
            # A small compressed answer can be a large one.
            auto_decompress=False,
            headers={"Accept-Encoding": "identity"},
        )

    async def ask(
        self, message: RelayMessage, target: RelayTarget, seconds: float, budget: AnswerBudget
    ) -> RelayAnswer:
        """Send a message; the answer. Raises one of `FAILURES` for anything but a 2xx or 4xx in time."""
        async with self.post(message, message.body or b"", target, seconds) as response:
            if not is_answer(response):
                raise ServerStatusError(response.status)
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise ValueError("The answer is compressed.")
            content_type = header_value(response.headers.get("Content-Type"))
            return RelayAnswer(response.status, content_type, await budget.read(response))

    async def deliver(
        self, message: RelayMessage, body: bytes, target: RelayTarget, seconds: float
    ) -> None:
        """Send a message whose answer is its status. Raises one of `FAILURES`."""
        async with self.post(message, body, target, seconds) as response:
            if not 200 <= response.status < 300:
                raise ServerStatusError(response.status)
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with asyncio.timeout(UNUSED_ANSWER_SECONDS):
                    await discard(response)

    @asynccontextmanager
    async def post(
        self, message: RelayMessage, body: bytes, target: RelayTarget, seconds: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The request. Raises `InvalidError` for a URL that may not be reached any more."""
        self.forward_urls.check(target.url)
        async with asyncio.timeout(seconds):
            headers = relayed_headers(message.content_type, message.type, message.decision_id)
            headers |= await self.sign(message.webhook_id, body, target)
            async with self.session.post(
                URL(target.url),
                data=io.BytesIO(body),
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None),
            ) as response:
                if response.headers.get(RELAY_HEADER) == LOOP:
                    raise RelayLoopError
                yield response

    async def sign(self, webhook_id: str, body: bytes, target: RelayTarget) -> dict[str, str]:
        """The headers that prove who sent it."""
        timestamp = int(self.now())
        if len(body) <= INLINE_BYTES:
            return target.sign(webhook_id, timestamp, body)
        return await asyncio.to_thread(target.sign, webhook_id, timestamp, body)

    async def close(self) -> None:
        """Close open connections."""
        await self.session.close()
        await self.resolver.close()


def is_answer(response: aiohttp.ClientResponse) -> bool:
    """Whether Vapi gets this answer as it is."""
    return 200 <= response.status < 300 or 400 <= response.status < 500


async def discard(response: aiohttp.ClientResponse) -> None:
    """Read a short answer to its end. The connection of a longer one is closed by its release."""
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > UNUSED_ANSWER_BYTES:
            return
