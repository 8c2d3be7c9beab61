"""What an organization's server gets of a message: the body and the headers, cleaned."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID
from weakref import WeakValueDictionary

from aiohttp import web

from service.beside import BesideError, WorkProcess
from service.domain.organizations import Organization
from service.relay.delivery import Relay
from service.relay.headers import relayed_headers
from service.relay.queues import RelayMessage
from service.relay.redaction import changed_only, redact
from service.vapi import message_types
from service.vapi.messages import ServerMessage
from service.web.off_loop import off_loop

THREAD_BYTES = 256 * 1024
"""Larger bodies are cleaned in a process: a single search in 32 MiB stops all threads for long."""
CLEAN_SECONDS = 4.0


class UncleanedError(Exception):
    """A body could not be cleaned in time: it is not relayed."""

    def __init__(self, message: RelayMessage) -> None:
        super().__init__("The body could not be cleaned in time.")
        self.message = message


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

    async def ask(
        self,
        request: web.Request,
        message: ServerMessage,
        body: bytes,
        organization: Organization,
        decision_id: str | None = None,
        *,
        seconds: float | None = None,
    ) -> dict[str, object] | None:
        """The answer of the organization's server, or None if Vapi could not use it.

        It comes within `seconds`, the cleaning included.
        """
        began = time.monotonic()
        try:
            given = await self.prepare(
                request, message, body, organization, decision_id, asked=True, seconds=seconds
            )
        except UncleanedError as exc:
            self.relay.report.note_dropped(exc.message, "failed")
            return None
        if seconds is not None:
            seconds = max(seconds - (time.monotonic() - began), 0.0)
        return await self.relay.ask(given, seconds=seconds)

    async def forward(
        self,
        request: web.Request,
        message: ServerMessage,
        body: bytes,
        organization: Organization,
        decision_id: str,
    ) -> None:
        """Pass a message on in the background, in the order of its call."""
        try:
            given = await self.prepare(request, message, body, organization, decision_id)
        except UncleanedError as exc:
            self.relay.report.note_dropped(exc.message, "failed")
        else:
            self.relay.forward(given)

    async def prepare(
        self,
        request: web.Request,
        message: ServerMessage,
        body: bytes,
        organization: Organization,
        decision_id: str | None = None,
        *,
        asked: bool = False,
        seconds: float | None = None,
    ) -> RelayMessage:
        """The message for an organization that has a `forward_url`. Raises `UncleanedError`."""
        content_type = request.headers.get("Content-Type")
        empty = RelayMessage(
            organization_id=organization.id,
            url=organization.forward_url or "",
            body=b"",
            headers=relayed_headers(content_type, message.type, decision_id),
            call_id=message.call_id,
            is_lasting=message_types.is_lasting(message.type, message.transcript_type),
        )
        try:
            async with asyncio.timeout(seconds):
                return replace(empty, body=await self.clean(body, (organization.id, asked)))
        except (BesideError, TimeoutError):
            raise UncleanedError(empty) from None

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
