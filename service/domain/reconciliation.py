"""What a sweep over all numbers found and did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from service.domain.phone_numbers import FieldDrift


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
    than `limit` of them is `held` until it is named.
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

    @property
    def figures(self) -> Mapping[str, Any]:
        """The report without its list, to be kept."""
        names = [name for name in self.__slots__ if name not in ("repairs", "left")]
        return {name: getattr(self, name) for name in names}

    @property
    def counts(self) -> Mapping[str, int]:
        """Only the numbers of numbers, for the log."""
        return {
            name: value
            for name, value in self.figures.items()
            if isinstance(value, int) and not isinstance(value, bool)
        }
