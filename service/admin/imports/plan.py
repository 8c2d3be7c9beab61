"""What an import would do, row by row, given Vapi's answers and the registered numbers. No I/O."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from service.admin.errors import (
    AmbiguousOrganizationError,
    AmbiguousPhoneNumberError,
    DuplicateRowError,
)
from service.admin.imports.csv_file import ImportRow, RowFault
from service.admin.imports.vapi_numbers import KnownNumbers
from service.domain.errors import (
    CallgateError,
    PhoneNumberTakenError,
    UnknownOrganizationError,
    VapiAwayError,
    VapiPhoneNumberNotFoundError,
)
from service.domain.ids import find_uuid
from service.domain.phone_numbers import NumberGate
from service.store.phone_numbers.lookups import NamedOrganization, RegisteredNumber

Action = Literal["create", "update", "unchanged", "error"]


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """What one row does. Of an `error` the `code` is stable and the `message` for people.

    `phone_number` and `organization` are as given, `label` and `gate` None where nothing is said.
    """

    line: int
    phone_number: str
    organization: str
    action: Action
    vapi_phone_number_id: str | None = None
    number: str | None = None
    organization_id: UUID | None = None
    label: str | None = None
    gate: NumberGate | None = None
    phone_number_id: UUID | None = None
    code: str | None = None
    message: str | None = None

    def failed(self, error: CallgateError) -> "PlannedRow":
        return replace(self, action="error", code=error.code, message=error.message)

    @property
    def changes(self) -> dict[str, Any]:
        """The given fields of a number that is there already."""
        given = {"label": self.label, "gate": self.gate}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """All rows in order. `warning` is what limits the whole plan, such as Vapi being away."""

    rows: tuple[PlannedRow, ...]
    warning: str | None = None

    @property
    def figures(self) -> dict[Action, int]:
        """How many rows there are of each action."""
        counted = Counter(row.action for row in self.rows)
        actions: tuple[Action, ...] = ("create", "update", "unchanged", "error")
        return {action: counted[action] for action in actions}

    @property
    def has_errors(self) -> bool:
        return self.figures["error"] > 0

    @property
    def to_do(self) -> int:
        """How many rows have something to do."""
        return self.figures["create"] + self.figures["update"]


class Naming:
    """Finds the organization that a row means: our id, else an external id, else a name."""

    def __init__(self, organizations: Iterable[NamedOrganization]) -> None:
        self.by_id: dict[UUID, NamedOrganization] = {}
        self.by_external_id: dict[str, NamedOrganization] = {}
        self.by_name: dict[str, list[NamedOrganization]] = {}
        for found in organizations:
            self.by_id[found.id] = found
            if found.external_id is not None:
                self.by_external_id[found.external_id] = found
            self.by_name.setdefault(found.name, []).append(found)

    def find(self, word: str) -> NamedOrganization:
        """Raises `InvalidError` for none, and for a name that several have."""
        as_id = find_uuid(word)
        found = self.by_id.get(as_id) if as_id else None
        found = found or self.by_external_id.get(word)
        if found is not None:
            return found
        named = sorted(str(one.id) for one in self.by_name.get(word, []))
        if not named:
            raise UnknownOrganizationError(
                "There is no such organization. Give its id, its external id or its exact name."
            )
        if len(named) > 1:
            raise AmbiguousOrganizationError(
                f"Several organizations have this name. Give the id instead ({listed(named)})."
            )
        return self.by_name[word][0]


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the rows of one import in order. `first` keeps which line named a number first."""

    known: KnownNumbers
    naming: Naming
    here: Mapping[str, RegisteredNumber]
    first: dict[str, int] = field(default_factory=dict)

    def judge(self, row: ImportRow | RowFault) -> PlannedRow:
        """What a row does, or what is wrong with it."""
        begun = PlannedRow(row.line, row.phone_number, row.organization, "error")
        if isinstance(row, RowFault):
            return replace(begun, code=row.code, message=row.message)
        begun = replace(begun, label=row.label, gate=row.gate)
        try:
            return self.decide(begun, row)
        except CallgateError as exc:
            return begun.failed(exc)

    def decide(self, begun: PlannedRow, row: ImportRow) -> PlannedRow:
        """What a row does. Raises `CallgateError`."""
        vapi_id, number = identify(row, self.known)
        line = self.first.setdefault(vapi_id, row.line)
        if line != row.line:
            raise DuplicateRowError(
                f"This is the number of line {line} again. This line is not used."
            )
        organization = self.naming.find(row.organization)
        found = replace(
            begun,
            action="create",
            vapi_phone_number_id=vapi_id,
            number=number,
            organization=organization.name,
            organization_id=organization.id,
        )
        current = self.here.get(vapi_id)
        if current is None:
            return found
        if current.organization_id != organization.id:
            raise taken()
        changes = differences(row, current)
        return replace(
            found,
            action="update" if changes else "unchanged",
            phone_number_id=current.id,
            message=", ".join(changes) or None,
        )


def differences(row: ImportRow, current: RegisteredNumber) -> list[str]:
    """What a row would change of a number, for people; what it does not say stays."""
    pairs = (("label", current.label, row.label), ("gate", current.gate, row.gate))
    return [
        f"{name}: {was or '(none)'} → {wanted}"
        for name, was, wanted in pairs
        if wanted is not None and wanted != was
    ]


def identify(row: ImportRow, known: KnownNumbers) -> tuple[str, str | None]:
    """The number's id at Vapi, and its E.164 if that is known. Raises a `CallgateError`."""
    if not row.is_e164:
        if row.phone_number in known.refused:
            raise VapiPhoneNumberNotFoundError(known.refused[row.phone_number])
        found = known.by_id.get(row.phone_number)
        return row.phone_number, found.number if found else None
    if known.problem is not None:
        raise VapiAwayError(
            "Vapi does not answer, so the id of this number is unknown. Try again later, or give "
            "the id."
        )
    same = known.by_number.get(row.phone_number, [])
    if not same:
        raise VapiPhoneNumberNotFoundError(
            "Vapi lists no phone number with this number. Check the digits, or give Vapi's id."
        )
    if len(same) > 1:
        ids = listed([one.id for one in same])
        raise AmbiguousPhoneNumberError(
            f"Several phone numbers at Vapi have this number. Give the id instead ({ids})."
        )
    return same[0].id, same[0].number


def taken() -> PhoneNumberTakenError:
    return PhoneNumberTakenError(
        "Another organization has this phone number. To move it, change the number's organization "
        "(PATCH /api/v1/phone-numbers/{id})."
    )


def listed(ids: Sequence[str]) -> str:
    return ", ".join(ids[:5]) + (", …" if len(ids) > 5 else "")
