"""How many bytes of unproved and of proved bodies may be held at once, over all connections."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

MIB = 2**20
SMALL = 64 * 1024
"""Bodies up to this size have a budget of their own: large uploads never displace them."""


class BudgetSpentError(Exception):
    """Too many bytes of other bodies are held; the sender may try again."""


@dataclass(slots=True)
class ByteBudget:
    """Bytes that may be held, and that are; they count in the wider budget too."""

    total: int
    wider: "ByteBudget | None" = None
    held: int = 0

    def take(self, size: int) -> bool:
        """Hold so many more bytes, if there is room."""
        if self.held + size > self.total or (self.wider and not self.wider.take(size)):
            return False
        self.held += size
        return True

    def give(self, size: int) -> None:
        self.held -= size
        if self.wider:
            self.wider.give(size)


@dataclass(slots=True)
class Holding:
    """What one body holds: first of the small budget, then of the large one."""

    small: ByteBudget
    large: ByteBudget
    size: int = 0

    def grow(self, size: int) -> None:
        """Hold `size` more bytes. Raises `BudgetSpentError`; what was held stays held."""
        if self.size + size <= SMALL:
            if not self.small.take(size):
                raise BudgetSpentError
        elif self.size <= SMALL:
            if not self.large.take(self.size + size):
                raise BudgetSpentError
            self.small.give(self.size)
        elif not self.large.take(size):
            raise BudgetSpentError
        self.size += size

    def release(self) -> None:
        (self.small if self.size <= SMALL else self.large).give(self.size)
        self.size = 0


Trust = Literal["none", "address", "connection"]
"""What an earlier message has proved: nothing, this address, or this very connection."""


class BodyBudgets:
    """Budgets by trust. Less trusted senders leave room for more trusted ones."""

    def __init__(self, unproved: int = 32 * MIB, largest: int = 32 * MIB) -> None:
        """A body of the largest size always fits once."""
        unproved = max(unproved, largest)
        known = ByteBudget(8 * MIB), ByteBudget(unproved + unproved // 8)
        self.of: dict[Trust, tuple[ByteBudget, ByteBudget]] = {
            "none": (ByteBudget(6 * MIB, known[0]), ByteBudget(unproved, known[1])),
            "address": known,
            "connection": (ByteBudget(64 * MIB), ByteBudget(4 * unproved)),
        }

    @contextmanager
    def holding(self, trust: Trust) -> Iterator[Holding]:
        """The bytes of one body, released at the end."""
        holding = Holding(*self.of[trust])
        try:
            yield holding
        finally:
            holding.release()
