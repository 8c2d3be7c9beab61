"""Posts one message to an organization's server: where it may go, how long, how much comes back.

The URL and every address behind its name are checked at each connection. Redirects are not followed.
"""

import asyncio
import io
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial

import aiohttp
from yarl import URL

from service.domain.errors import InvalidError
from service.domain.network.forward_urls import check_forward_url, is_listed
from service.relay.queues import RelayMessage
from service.vapi.lookups import Lookups
from service.vapi.resolver import PublicResolver

READ_BYTES = 16 * 1024
"""What a connection buffers of an answer that is not read yet."""
UNUSED_ANSWER_BYTES = 64 * 1024
UNUSED_ANSWER_SECONDS = 1.0
"""How much of an answer that Callgate does not need is read, to use the connection again."""
IDLE_SECONDS = 15.0


class ServerStatusError(Exception):
    """The server answered with a status that is not 2xx."""

    def __init__(self, status: int) -> None:
        super().__init__(f"The server answered {status}.")
        self.status = status


class AnswerTooLargeError(Exception):
    """The answer, or all answers that are being read, exceed the limit."""


FAILURES = (
    aiohttp.ClientError,
    AnswerTooLargeError,
    InvalidError,
    OSError,
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

    It has no limits of its own: whatever it limited for all, one organization could use up.
    """

    def __init__(self, relay_hosts: Sequence[str], name_servers: Sequence[str] = ()) -> None:
        self.relay_hosts = tuple(relay_hosts)
        self.resolver = PublicResolver(
            Lookups(name_servers), partial(is_listed, relay_hosts=self.relay_hosts)
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

    async def ask(self, message: RelayMessage, seconds: float, budget: AnswerBudget) -> bytes:
        """Send a message; the answer. Raises one of `FAILURES` for anything but a 2xx in time."""
        async with self.post(message, seconds) as response:
            check_status(response)
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise ValueError("The answer is compressed.")
            return await budget.read(response)

    async def deliver(self, message: RelayMessage, seconds: float) -> None:
        """Send a message whose answer is its status. Raises one of `FAILURES`."""
        async with self.post(message, seconds) as response:
            check_status(response)
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with asyncio.timeout(UNUSED_ANSWER_SECONDS):
                    await discard(response)

    def post(
        self, message: RelayMessage, seconds: float
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """The request. Raises `InvalidError` for a URL that may not be reached any more."""
        check_forward_url(message.url, self.relay_hosts)
        return self.session.post(
            URL(message.url),
            data=io.BytesIO(message.body),
            headers=message.headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=seconds),
        )

    async def close(self) -> None:
        """Close open connections."""
        await self.session.close()
        await self.resolver.close()


def check_status(response: aiohttp.ClientResponse) -> None:
    if not 200 <= response.status < 300:
        raise ServerStatusError(response.status)


async def discard(response: aiohttp.ClientResponse) -> None:
    """Read a short answer to its end. The connection of a longer one is closed by its release."""
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > UNUSED_ANSWER_BYTES:
            return
