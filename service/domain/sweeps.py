"""A sweep over all numbers: what is requested, and its report."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from service.domain.phone_numbers import FieldDrift, Order

Progress = Callable[[str, int, int], None]
"""Called with the phase (`look` or `repair`), the count done, and the total."""


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Ignore progress."""


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """A request for a sweep.

    `order`: the admin who asks for it; None: it is scheduled. `plan` approves repairs that exceed the
    brake. `seconds`: how long to take part in the repairs and wait for them; None: until all are done.
    `alive` is called at each page; once it returns False, the sweep stops.
    """

    order: Order | None = None
    dry_run: bool = False
    plan: str | None = None
    seconds: float | None = 0.0
    progress: Progress = no_progress
    alive: Callable[[], Awaitable[bool]] | None = None


@dataclass(frozen=True, slots=True)
class Repair:
    """The drift of one number. Secrets are masked."""

    phone_number_id: UUID
    changes: tuple[FieldDrift, ...]


@dataclass(frozen=True, slots=True)
class MissingNumber:
    """A registered number that Vapi does not have, and what to do about it."""

    phone_number_id: UUID
    number: str | None
    label: str | None
    vapi_phone_number_id: str
    organization: str | None
    remedy: str

    @property
    def owner(self) -> str:
        """The organization's name, or a dash."""
        return self.organization or "—"

    @property
    def name(self) -> str:
        """The label and the number, or the id at Vapi."""
        known = [one for one in (self.label, self.number) if one]
        return " · ".join(known) or self.vapi_phone_number_id


REMOVE = "Remove the number here, or import it at Vapi again."
LINK = "Vapi has the number again under another id: link it on the number's page."


def missing_number(
    *,
    id: UUID,  # noqa: A002 - the column's name
    number: str | None,
    label: str | None,
    vapi_phone_number_id: str,
    organization: str | None,
    is_back: bool,
) -> MissingNumber:
    """A missing number. `is_back`: Vapi has it again under another id."""
    remedy = LINK if is_back else REMOVE
    return MissingNumber(id, number, label, vapi_phone_number_id, organization, remedy)


@dataclass(slots=True)
class SweepReport:
    """`checked` numbers are `in_sync`, `drifted` (then perhaps `repaired`), `missing` or `undecided`.

    `repairs` are repaired, `left` are not: `shadowed` by servers that are not ours to change, `paused`,
    observed only, or waiting for a retry. Passes over `remaining` numbers are still due or running.
    `failed` is the sum of those that could not be repaired (`unrepaired`), are not at Vapi (`missing`,
    by name in `missing_numbers`), or could not be read (`unread`). `plan` is a fingerprint of the
    repairs; a sweep with more than `limit` of them is `held` until it is approved. `unseen` numbers were
    on no page, and are read one by one. `incomplete` says why Vapi's lists are (None: they are not):
    then `unknown` numbers, which they do not show, keep their state. `malformed` elements of the lists
    could not be read. `unlisted` numbers are so many that the list is not believed; 0: it is, None: not
    judged.
    """

    checked: int = 0
    in_sync: int = 0
    drifted: int = 0
    repaired: int = 0
    failed: int = 0
    shadowed: int = 0
    missing: int = 0
    unread: int = 0
    paused: int = 0
    remaining: int = 0
    unknown: int = 0
    malformed: int = 0
    incomplete: str | None = None
    unlisted: int | None = None
    limit: int = 0
    held: bool = False
    dry_run: bool = False
    plan: str = ""
    pages: int = 0
    seconds: float = 0.0
    repairs: list[Repair] = field(default_factory=list)
    left: list[Repair] = field(default_factory=list)
    unseen: list[UUID] = field(default_factory=list)
    missing_numbers: list[MissingNumber] = field(default_factory=list)

    @property
    def unrepaired(self) -> int:
        """Drifted numbers whose repair failed."""
        return self.failed - self.missing - self.unread

    @property
    def undecided(self) -> int:
        """Checked numbers whose state is not known yet: a pass is due or running, or failed."""
        return self.checked - self.in_sync - self.drifted - self.missing

    @property
    def figures(self) -> Mapping[str, Any]:
        """The report without its lists, to be stored; `to_repair` is how many numbers would change."""
        lists = ("repairs", "left", "unseen", "missing_numbers")
        kept = {name: getattr(self, name) for name in self.__slots__ if name not in lists}
        return {**kept, "to_repair": len(self.repairs)}

    @property
    def caveat(self) -> str:
        """What Vapi's lists left open, in a sentence or two; "" for nothing."""
        unknown = f"Not judged: {self.unknown} numbers." if self.unknown else ""
        odd = f"Unreadable elements in Vapi's lists: {self.malformed}." if self.malformed else ""
        return " ".join(one for one in (self.incomplete, unknown, odd) if one)

    @property
    def counts(self) -> Mapping[str, int]:
        """The counts, for the log."""
        return {
            name: value
            for name, value in self.figures.items()
            if isinstance(value, int) and not isinstance(value, bool)
        }
