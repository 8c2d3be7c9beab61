"""Requests whose answer Vapi waits for, to one organization's server: they go out at once or never.

All of a request, the reading and parsing of its answer too, lies within the limits and the deadline.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

import structlog

from service.relay.answers import AnswerReader, RelayAnswer
from service.relay.breaker import Breaker
from service.relay.connections import OpenConnections
from service.relay.failures import describe_failure, reason_of
from service.relay.limits import RelayLimits
from service.relay.queues import RelayMessage
from service.relay.report import RelayReport, UnansweredReason
from service.relay.sender import FAILURES, AnswerBudget, Sender, ServerStatusError
from service.relay.targets import RelayTarget

Result = TypeVar("Result")

log = structlog.get_logger()


@dataclass(slots=True)
class AskedServer:
    """One server's requests. Their breaker is not that of its deliveries: a server that is slow with
    events may still answer callers. What a server fails that was replaced meanwhile (`is_present`) does
    not count against the new one."""

    owner: UUID
    sender: Sender
    reader: AnswerReader
    limits: RelayLimits
    connections: OpenConnections
    is_present: Callable[[RelayTarget], bool]
    note_error: Callable[[str], None]
    report: RelayReport
    budget: AnswerBudget = field(init=False)
    breaker: Breaker = field(
        default_factory=lambda: Breaker(threshold=10, first_pause=1.0, longest_pause=10.0)
    )
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    asking: int = 0

    def __post_init__(self) -> None:
        self.budget = AnswerBudget(self.limits.answer_bytes, self.limits.all_answer_bytes)

    async def ask(
        self, message: RelayMessage, target: RelayTarget, seconds: float
    ) -> RelayAnswer | None:
        """The server's answer as it came, within `seconds`; None if there is none."""

        async def exchange() -> RelayAnswer:
            return await self.sender.ask(message, target, seconds, self.budget)

        return await self.within_limits(exchange, target, seconds)

    async def ask_for_object(
        self, message: RelayMessage, target: RelayTarget, seconds: float
    ) -> dict[str, object] | None:
        """The JSON object of a successful answer; None if there is none that Vapi could use."""

        async def exchange() -> dict[str, object]:
            answer = await self.sender.ask(message, target, seconds, self.budget)
            if answer.status >= 300:
                raise ServerStatusError(answer.status)
            value = await self.reader.read(answer.body, self.turn)
            if value is None:
                raise UnusableAnswerError
            return value

        try:
            return await self.within_limits(exchange, target, seconds)
        except UnusableAnswerError:
            self.unanswered("unusable")
            return None

    async def within_limits(
        self, exchange: Callable[[], Awaitable[Result]], target: RelayTarget, seconds: float
    ) -> Result | None:
        """Run an exchange within the limits; None after any error, of ours as well: Vapi's message is
        answered without the server. Raises `UnusableAnswerError`."""
        if self.asking >= self.limits.answers or not self.connections.allows():
            self.unanswered("busy")
            return None
        if not self.breaker.enter():
            self.unanswered("breaker_open")
            return None
        probing = self.breaker.probing
        self.asking += 1
        self.connections.take()
        try:
            async with asyncio.timeout(seconds):
                result = await exchange()
        except UnusableAnswerError:
            self.breaker.succeed()
            if self.is_present(target):
                self.note_error("Its answer is no JSON object, or has too many values.")
            raise
        except Exception as exc:
            if not isinstance(exc, FAILURES):
                log.exception("relay.request_failed", organization_id=str(self.owner))
            if self.is_present(target):
                self.note_failure(exc)
            self.unanswered(reason_of(exc))
            return None
        else:
            self.breaker.succeed()
            self.report.answered += 1
            return result
        finally:
            self.asking -= 1
            self.connections.give()
            if probing:
                self.breaker.leave()

    def note_failure(self, exc: Exception) -> None:
        """Count a failure; a status is an answer, too."""
        if isinstance(exc, ServerStatusError):
            self.breaker.succeed()
        else:
            self.breaker.fail()
        self.note_error(describe_failure(exc))

    def unanswered(self, reason: UnansweredReason) -> None:
        self.report.note_unanswered(self.owner, reason)


class UnusableAnswerError(Exception):
    """The answer is no JSON object that Vapi could use."""
