"""The way from one replica to PostgreSQL: latency, cuts, stalls and half-open connections.

A statement travels to the server, is executed there at one instant, and its answer travels back. Each
half can be lost: an executed statement whose answer never comes is the fault that hurts most.
"""

import asyncio
import random
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Literal

import asyncpg

from service.store.limits import CALLS
from tests.simulation.loop import VirtualLoop

SERVER = Context()
"""What happens at the server goes on when the replica that asked is dead."""

Mode = Literal["up", "refused", "stalled"]
SLOTS = 4


class LostError(asyncpg.ConnectionDoesNotExistError):
    """The connection ended while a statement ran."""


@dataclass(eq=False, slots=True)
class Statement:
    """One statement under way: `slot` is its connection, `epoch` the time between two cuts."""

    operation: Callable[[], Any]
    reply: "asyncio.Future[Any]"
    slot: int
    epoch: int


@dataclass(eq=False, slots=True)
class Link:
    """A group of connections of one replica that share their fate: `pool`, `feed` or `worker`."""

    loop: VirtualLoop
    chance: random.Random
    name: str
    mode: Mode = "up"
    latency: tuple[float, float] = (0.0005, 0.004)
    epoch: int = 0
    generation: int = 0
    half_open: set[int] = field(default_factory=set)
    sent: int = 0
    under_way: list[Statement] = field(default_factory=list)
    held: list[Callable[[], None]] = field(default_factory=list)
    on_cut: list[Callable[[], None]] = field(default_factory=list)

    async def run(
        self,
        operation: Callable[[], Any],
        seconds: float = CALLS.command_seconds,
        slot: int | None = None,
    ) -> Any:
        """Execute at the server and return its answer; raises one of `UNAVAILABLE` otherwise.

        `slot` is the connection; None: any.
        """
        reply = self.loop.create_future()
        self.sent += 1
        slot = self.sent % SLOTS if slot is None else slot
        statement = Statement(operation, reply, slot, self.epoch)
        self.under_way.append(statement)
        if self.mode == "refused":
            self.after(lambda: self.fail(statement, ConnectionRefusedError()))
        elif statement.slot not in self.half_open:
            self.after(lambda: self.arrive(statement))
        try:
            async with asyncio.timeout(seconds):
                return await reply
        except (TimeoutError, asyncio.CancelledError):
            # The connection is terminated; the next statement opens another one.
            self.half_open.discard(statement.slot)
            raise
        finally:
            if statement in self.under_way:
                self.under_way.remove(statement)

    def after(self, action: Callable[[], None]) -> None:
        """Do something after the time that a packet travels."""
        self.loop.call_later(self.chance.uniform(*self.latency), action, context=SERVER)

    def arrive(self, statement: Statement) -> None:
        """Execute a statement at the server, unless its connection was cut on the way."""
        if self.mode == "stalled":
            self.held.append(lambda: self.arrive(statement))
        elif statement.epoch == self.epoch:
            try:
                answer = statement.operation()
            except Exception as exc:
                answer = exc
            self.after(lambda: self.deliver(statement, answer))

    def deliver(self, statement: Statement, answer: object) -> None:
        """Bring an answer back, unless the connection is gone."""
        if self.mode == "stalled":
            self.held.append(lambda: self.deliver(statement, answer))
        elif statement.epoch == self.epoch and statement.slot not in self.half_open:
            if isinstance(answer, Exception):
                self.fail(statement, answer)
            elif not statement.reply.done():
                statement.reply.set_result(answer)

    def fail(self, statement: Statement, error: Exception) -> None:
        if not statement.reply.done():
            statement.reply.set_exception(error)

    def cut(self) -> None:
        """Reset every connection: both sides learn of it at once."""
        self.epoch += 1
        self.generation += 1
        self.half_open.clear()
        for statement in self.under_way:
            self.after(lambda lost=statement: self.fail(lost, LostError()))  # type: ignore[misc]
        for listener in list(self.on_cut):
            listener()

    def break_open(self) -> None:
        """Lose every packet of the existing connections; neither side learns of it."""
        self.generation += 1
        self.half_open.update(range(SLOTS))

    def notify(self, generation: int, action: Callable[[], None]) -> None:
        """Bring a notification to a connection of this generation, if it still is one."""
        if self.mode == "stalled":
            self.held.append(lambda: self.notify(generation, action))
        elif generation == self.generation:
            self.after(lambda: action() if generation == self.generation else None)

    def set_mode(self, mode: Mode) -> None:
        """Begin or end a refusal or a stall. What was held arrives when a stall ends."""
        self.mode = mode
        if mode == "refused":
            self.cut()
        held, self.held = self.held, []
        if mode == "stalled":
            self.held = held
        else:
            for action in held:
                self.after(action)

    def heal(self) -> None:
        """Let everything pass again; half-open connections stay so until they are replaced."""
        self.latency = (0.0005, 0.004)
        if self.mode != "up":
            self.set_mode("up")
