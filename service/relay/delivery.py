"""Relays a granted call's messages to the organization's own server (`forward_url`).

A message whose answer Vapi uses waits for that server's answer; all others are forwarded in the
background. The URL's host and its address are checked again at each connection.
"""

import asyncio
import io
from collections.abc import Mapping, Sequence
from functools import partial

import aiohttp
import orjson
import structlog

from service.domain.errors import InvalidError
from service.domain.network.forward_urls import check_forward_url, is_listed
from service.vapi.lookups import Lookups
from service.vapi.resolver import PublicResolver

ANSWER_SECONDS = 15.0
AT_ONCE = 200
MAX_ANSWER_BYTES = 4 * 2**20
ATTEMPTS = 3

log = structlog.get_logger()


class Relay:
    """Posts bodies on as they are given. A message that cannot be delivered is logged."""

    def __init__(self, relay_hosts: Sequence[str], name_servers: Sequence[str] = ()) -> None:
        self.relay_hosts = tuple(relay_hosts)
        self.resolver = PublicResolver(
            Lookups(name_servers), partial(is_listed, relay_hosts=self.relay_hosts)
        )
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=AT_ONCE, resolver=self.resolver, use_dns_cache=False
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self.places = asyncio.Semaphore(AT_ONCE)
        self.background: set[asyncio.Task[None]] = set()

    async def ask(
        self, url: str, body: bytes, headers: Mapping[str, str], *, seconds: float = ANSWER_SECONDS
    ) -> dict[str, object] | None:
        """The server's answer, or None if Vapi could not use it."""
        try:
            content = await self.post(url, body, headers, seconds)
            value = orjson.loads(content) if content else {}
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, InvalidError) as exc:
            log.warning("relay.unanswered", error=type(exc).__name__)
            return None
        return value if isinstance(value, dict) else None

    def forward(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Forward a message in the background; its answer is discarded."""
        task = asyncio.create_task(self.deliver(url, body, headers))
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    async def deliver(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Try a few times, then drop the message and log that."""
        async with self.places:
            for attempt in range(ATTEMPTS):
                try:
                    await self.post(url, body, headers, ANSWER_SECONDS)
                except (aiohttp.ClientError, OSError, TimeoutError, InvalidError) as exc:
                    log.warning("relay.failed", error=type(exc).__name__, attempt=attempt + 1)
                    await asyncio.sleep(2**attempt)
                else:
                    return
            log.error("relay.dropped")

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], seconds: float
    ) -> bytes:
        """Make one attempt; raises for any status but 2xx."""
        check_forward_url(url, self.relay_hosts)
        async with self.session.post(
            url,
            data=io.BytesIO(body),
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=seconds),
        ) as response:
            if not 200 <= response.status < 300:
                raise aiohttp.ClientPayloadError(f"status {response.status}")
            return await response.content.read(MAX_ANSWER_BYTES)

    async def close(self) -> None:
        """Wait briefly for messages under way, then close."""
        if self.background:
            await asyncio.wait(self.background, timeout=2.0)
        for task in self.background:
            task.cancel()
        await self.session.close()
        await self.resolver.close()
