"""Refuses a signed message that was answered before: mode `hmac` only.

Vapi delivers at least once, and a retry may repeat the same signed bytes. So a message counts as seen
once it was answered, not when it arrives: after a failure of ours (5xx) a retry is handled, and while
the first is still being answered a second one gets 503, which Vapi repeats. Once answered, a repetition
gets 401, which Vapi does not repeat: the message has had its effect.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from aiohttp import web

from service.background import BackgroundLoop
from service.store import signatures
from service.store.bounded import at_most
from service.store.pool import UNAVAILABLE, Pool
from service.vapi.authenticity import AuthenticityError

CLAIM_SECONDS = 0.5
CLEAN_SECONDS = 60.0
MOST_KEPT = 200_000
"""Messages kept in memory, about 30 MB."""

log = structlog.get_logger()

Answer = Callable[[], Awaitable[web.StreamResponse]]


class StillAnsweringError(Exception):
    """The same message is being answered; it may be sent again."""


@dataclass(slots=True)
class Replays:
    """The messages of the last `seconds`, in PostgreSQL for all replicas and in memory for this one.

    With PostgreSQL away memory alone refuses, and messages are answered without waiting for it.
    """

    pool: Pool
    seconds: float
    done: OrderedDict[bytes, float] = field(default_factory=OrderedDict)
    answering: set[bytes] = field(default_factory=set)

    async def answer_once(self, digest: bytes | None, answer: Answer) -> web.StreamResponse:
        """Answer a message unless it was answered; `digest` None: it is not signed.

        Raises `AuthenticityError` for a repetition, `StillAnsweringError` for one that is too early.
        """
        if digest is None:
            return await answer()
        self.refuse_known(digest)
        self.answering.add(digest)
        settled = False
        try:
            await self.claim(digest)
            try:
                response = await answer()
                settled = response.status < 500
                return response
            finally:
                await self.finish(digest, settled=settled)
        finally:
            self.answering.discard(digest)

    def refuse_known(self, digest: bytes) -> None:
        """Raise for what this replica answered or is answering."""
        if digest in self.answering:
            raise StillAnsweringError
        if self.done.get(digest, float("-inf")) > time.monotonic():
            raise AuthenticityError("This signed message was answered before.")

    async def claim(self, digest: bytes) -> None:
        """Raise for what another replica answered or is answering."""
        try:
            async with at_most(CLAIM_SECONDS):
                found = await signatures.claim(self.pool, digest)
        except UNAVAILABLE:
            return
        if found == "answering":
            raise StillAnsweringError
        if found == "done":
            raise AuthenticityError("This signed message was answered before.")

    async def finish(self, digest: bytes, *, settled: bool) -> None:
        """Remember an answered message; free one that failed."""
        if settled:
            self.done[digest] = time.monotonic() + self.seconds
            while len(self.done) > MOST_KEPT:
                self.done.popitem(last=False)
        try:
            async with at_most(CLAIM_SECONDS):
                write = signatures.settle if settled else signatures.release
                await write(self.pool, digest)
        except UNAVAILABLE:
            pass  # memory knows; other replicas take the claim for one under way, then for abandoned

    async def clean(self) -> None:
        """Forget messages that are too old to be accepted anyway."""
        now = time.monotonic()
        while self.done and next(iter(self.done.values())) <= now:
            self.done.popitem(last=False)
        await signatures.delete_old(self.pool, self.seconds)

    def background(self) -> BackgroundLoop:
        """Cleans up every minute."""
        return BackgroundLoop(
            "webhook_signatures", self.clean, interval=CLEAN_SECONDS, outages=UNAVAILABLE
        )
