"""Use case: a POST with an `Idempotency-Key` is carried out once, and answered alike for 24 hours.

The key is claimed before the request is carried out. Every transaction of a use case marks the key in
itself (`mark_applied`): so whatever is committed belongs to the newest run of the key, and a run that
ended halfway, or a replica that was killed, is never repeated once it changed something.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

import structlog

from service.admin.actor import Actor
from service.admin.errors import (
    IdempotencyAnswerLostError,
    IdempotencyInProgressError,
    IdempotencyKeyReusedError,
)
from service.store import idempotency_keys as store
from service.store.idempotency_keys import KeptAnswer, KeyClaim
from service.store.limits import waiting_at_least
from service.store.pool import UNAVAILABLE, Connection, Pool
from service.store.vault import Vault

SERVICE_FAILED = 500
SLACK_SECONDS = 10.0
"""How much longer than its limit a request may hold its key."""
END_SECONDS = 0.4
"""How long the end of a request with a key may take where its allowance is used up: an answer still
comes within three seconds."""
LATER_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""The pauses before the end is tried again beside the answer: a transaction that was abandoned may hold
the key a little longer."""

log = structlog.get_logger()


@dataclass(slots=True)
class IdempotentRun:
    """One request with a key. `earlier` is the first answer, where there was one; otherwise the
    caller carries out the request and sets `answer`."""

    held: KeyClaim | None = None
    earlier: KeptAnswer | None = None
    answer: KeptAnswer | None = None


RUNNING: ContextVar[IdempotentRun | None] = ContextVar("RUNNING", default=None)
"""The request that this task carries out. Tasks that outlive it have it too, without a claim."""


@dataclass(frozen=True, slots=True)
class Idempotency:
    """Keys of all tokens. Bodies with secrets are kept encrypted. `ending` are ends that PostgreSQL
    did not take in time."""

    pool: Pool
    vault: Vault
    ending: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def running(
        self, actor: Actor, key: str, request: bytes, *, seconds: float, is_secret: bool
    ) -> AsyncIterator[IdempotentRun]:
        """Carry out a request (a digest of it in `request`) that takes at most `seconds`.

        Raises `IdempotencyKeyReusedError`, `IdempotencyInProgressError` or
        `IdempotencyAnswerLostError`.
        """
        owner = owner_of(actor)
        held = await store.claim(
            self.pool, owner, key, request=request, seconds=seconds + SLACK_SECONDS
        )
        if held is None:
            yield IdempotentRun(earlier=await self.find_earlier(owner, key, request))
            return
        run = IdempotentRun(held)
        token = RUNNING.set(run)
        try:
            yield run
        finally:
            RUNNING.reset(token)
            run.held = None
            await self.end(held, run.answer, is_secret=is_secret)

    async def end(self, held: KeyClaim, answer: KeptAnswer | None, *, is_secret: bool) -> None:
        """Keep the answer, or free the key. What PostgreSQL does not take in time is tried again beside
        the answer, which the sender gets all the same.

        One that blames the service is kept only if the request changed something: else a retry may do
        better. It has a time of its own: the work may have waited for all of the request's.
        """
        try:
            with waiting_at_least(END_SECONDS):
                await self.end_in_time(held, answer, is_secret=is_secret)
        except UNAVAILABLE:
            task = asyncio.create_task(self.end_later(held, answer, is_secret=is_secret))
            self.ending.add(task)
            task.add_done_callback(self.ending.discard)

    async def end_later(
        self, held: KeyClaim, answer: KeptAnswer | None, *, is_secret: bool
    ) -> None:
        """The same after a pause, a few times. Then the answer is lost, and the key free in its time."""
        problem = ""
        for seconds in LATER_SECONDS:
            await asyncio.sleep(seconds)
            try:
                await self.end_in_time(held, answer, is_secret=is_secret)
            except UNAVAILABLE as exc:
                problem = type(exc).__name__
            else:
                return
        log.warning("idempotency.answer_lost", error=problem)

    async def end_in_time(
        self, held: KeyClaim, answer: KeptAnswer | None, *, is_secret: bool
    ) -> None:
        blames_service = answer is None or answer.status >= SERVICE_FAILED
        if blames_service and await store.release(self.pool, held):
            return
        if answer is None:
            await store.end(self.pool, held)
        else:
            body = self.vault.seal(answer.body) if is_secret else answer.body
            text = None if body is None else str(body)
            await store.keep_answer(self.pool, held, replace(answer, body=text))

    async def find_earlier(self, owner: str, key: str, request: bytes) -> KeptAnswer:
        """The answer that the key got first."""
        found = await store.find(self.pool, owner, key)
        if found is None:
            raise IdempotencyInProgressError  # released at this very moment
        if found.request != request:
            raise IdempotencyKeyReusedError
        if found.answer is None:
            raise IdempotencyInProgressError if found.is_held else IdempotencyAnswerLostError
        body = self.vault.open(found.answer.body)
        if body is None and found.answer.body is not None:
            raise IdempotencyAnswerLostError
        return replace(found.answer, body=body)


async def mark_applied(connection: Connection) -> None:
    """Note in a transaction that the request with this task's key changes something.

    Raises `IdempotencyInProgressError`, which undoes the change, if another run has the key now.
    """
    run = RUNNING.get()
    held = None if run is None else run.held
    if held is not None and not await store.mark_applied(connection, held):
        raise IdempotencyInProgressError


def owner_of(actor: Actor) -> str:
    """Whose keys they are: a token's, so that no client sees another's answers."""
    return str(actor.token_id or actor.admin_id or actor.name)


def digest_of(method: str, address: str, body: bytes) -> bytes:
    """What tells requests apart: method, path with its query, and body."""
    return hashlib.sha256(b"\0".join([method.encode(), address.encode(), body])).digest()
