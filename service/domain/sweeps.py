"""What is wanted of a sweep over all numbers, and what it found and did."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from service.domain.phone_numbers import FieldDrift, Order

Progress = Callable[[str, int, int], None]
"""What is being done (`look` or `repair`), how much of it, out of how much."""


def untold(_what: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """What is wanted of a sweep.

    `order`: who asks for it; None: it is its time. `plan` names repairs that may exceed the brake.
    `seconds`: how long to take part in the repairs and wait for them; None: until all are done.
    `alive` is asked at each page whether to go on.
    """

    order: Order | None = None
    dry_run: bool = False
    plan: str | None = None
    seconds: float | None = 0.0
    progress: Progress = untold
    alive: Callable[[], Awaitable[bool]] | None = None


@dataclass(frozen=True, slots=True)
class Repair:
    """What one number needs. Secrets come masked."""

    phone_number_id: UUID
    changes: tuple[FieldDrift, ...]


@dataclass(slots=True)
class SweepReport:
    """`checked` numbers are `in_sync`, `drifted` (then perhaps `repaired`) or `failed`.

    `repairs` are what we do about it, `left` what we leave: `shadowed` by what is not ours to change,
    `paused`, or waiting for a time of their own. `remaining` are still being worked on. `failed`
    could not be repaired, or are not at Vapi (`missing`). `plan` names the repairs; a sweep with more
    than `limit` of them is `held` until it is named. `unseen` numbers were on no page, and are asked
    about one by one.
    """

    checked: int = 0
    in_sync: int = 0
    drifted: int = 0
    repaired: int = 0
    failed: int = 0
    shadowed: int = 0
    missing: int = 0
    paused: int = 0
    remaining: int = 0
    limit: int = 0
    held: bool = False
    dry_run: bool = False
    plan: str = ""
    pages: int = 0
    seconds: float = 0.0
    repairs: list[Repair] = field(default_factory=list)
    left: list[Repair] = field(default_factory=list)
    unseen: list[UUID] = field(default_factory=list)

    @property
    def figures(self) -> Mapping[str, Any]:
        """The report without its list, to be kept."""
        names = [name for name in self.__slots__ if name not in ("repairs", "left", "unseen")]
        return {name: getattr(self, name) for name in names}

    @property
    def counts(self) -> Mapping[str, int]:
        """Only the numbers of numbers, for the log."""
        return {
            name: value
            for name, value in self.figures.items()
            if isinstance(value, int) and not isinstance(value, bool)
        }
