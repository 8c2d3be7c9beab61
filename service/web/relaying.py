"""What an organization's server gets of a message: the body and the headers, cleaned."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from service.beside import BesideError, WorkProcess
from service.domain.organizations import Organization
from service.domain.relay.messages import KeptMessage
from service.domain.relay.signing import name_message
from service.relay.answers import RelayAnswer
from service.relay.delivery import Relay
from service.relay.headers import FALLBACK_TYPE, header_value
from service.relay.queues import RelayMessage
from service.relay.redaction import changed_only, redact
from service.vapi import message_types
from service.vapi.messages import ServerMessage
from service.web.off_loop import off_loop

THREAD_BYTES = 256 * 1024
"""Larger bodies are cleaned in a process: a single search in 32 MiB stops all threads for long."""
CLEAN_SECONDS = 4.0

Result = TypeVar("Result")


class UncleanedError(Exception):
    """A body could not be cleaned in time: it is not relayed."""


@dataclass(frozen=True, slots=True)
class GivenMessage:
    """A message of a granted call as it came, for the server of its organization."""

    message: ServerMessage
    body: bytes
    content_type: str | None
    organization: Organization
    decision_id: str | None = None

    @property
    def is_lasting(self) -> bool:
        """Whether it must not be lost."""
        return message_types.is_lasting(self.message.type, self.message.transcript_type)


@dataclass(slots=True)
class Relaying:
    """Prepares messages and hands them to the relay. `secrets` are the masters, which no client gets.

    Of each organization one large body is cleaned at a time, so that its messages do not fill the line
    in front of another's; one more if Vapi waits for the answer, which queues behind no other message.
    """

    relay: Relay
    secrets: Sequence[bytes]
    beside: WorkProcess = field(default_factory=lambda: WorkProcess(changed_only, CLEAN_SECONDS))
    turns: WeakValueDictionary[tuple[UUID, bool], asyncio.Lock] = field(
        default_factory=WeakValueDictionary
    )

    async def ask(self, given: GivenMessage, seconds: float) -> RelayAnswer | None:
        """The answer of the organization's server as it came; None if there is none in `seconds`."""
        return await self.asked(given, seconds, self.relay.servers.ask)

    async def ask_for_object(self, given: GivenMessage, seconds: float) -> dict[str, object] | None:
        """The JSON object that the organization's server answers within `seconds`; None if there is
        none that Vapi could use."""
        return await self.asked(given, seconds, self.relay.servers.ask_for_object)

    async def asked(
        self,
        given: GivenMessage,
        seconds: float,
        ask: Callable[[RelayMessage, float], Awaitable[Result | None]],
    ) -> Result | None:
        """The result of `ask`; the cleaning of the body counts against its time."""
        began = time.monotonic()
        try:
            message = await self.prepare(given, asked=True, seconds=seconds)
        except UncleanedError:
            self.relay.servers.report.note_unanswered(given.organization.id, "failed")
            return None
        return await ask(message, max(seconds - (time.monotonic() - began), 0.0))

    async def forward(self, given: GivenMessage) -> None:
        """Pass a message on in the background, in the order of its call. A lasting one is kept first.

        Raises `UncleanedError` or `RelaySpoolFullError` for a lasting one that cannot be kept.
        """
        if given.is_lasting:
            await self.keep(given)
            return
        try:
            message = await self.prepare(given)
        except UncleanedError:
            self.relay.servers.report.note_uncleaned(given.organization.id)
        else:
            self.relay.servers.forward(message)

    async def keep(self, given: GivenMessage) -> None:
        """Keep a message until it is delivered. Raises `UncleanedError`, `RelaySpoolFullError`."""
        message = await self.prepare(given)
        await self.relay.keep(
            KeptMessage(
                message.organization_id,
                message.webhook_id,
                message.call,
                message.type,
                message.content_type,
                message.body or b"",
                message.decision_id,
            )
        )

    async def prepare(
        self, given: GivenMessage, *, asked: bool = False, seconds: float | None = None
    ) -> RelayMessage:
        """The message for an organization that has a `forward_url`. Raises `UncleanedError`."""
        owner = given.organization.id
        try:
            async with asyncio.timeout(seconds):
                webhook_id = await off_loop(len(given.body), name_message, owner, given.body)
                body = await self.clean(given.body, (owner, asked))
        except (BesideError, TimeoutError):
            raise UncleanedError("The body could not be cleaned in time.") from None
        return RelayMessage(
            owner,
            webhook_id,
            given.message.type,
            header_value(given.content_type) or FALLBACK_TYPE,
            body,
            given.decision_id,
            given.message.call_id,
        )

    async def clean(self, body: bytes, line: tuple[UUID, bool]) -> bytes:
        """The body without what is not for clients. `line`: the organization, and whether Vapi waits."""
        if len(body) <= THREAD_BYTES:
            return await off_loop(len(body), redact, body, self.secrets)
        turn = self.turns.setdefault(line, asyncio.Lock())
        async with turn:
            return await self.beside.run(body, self.secrets) or body

    async def close(self) -> None:
        """End the process."""
        await self.beside.close()
