"""The plan of an import, row by row, from the numbers at Vapi and the registered ones. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from policies.host.ids import find_uuid
from service.admin.errors import (
    AmbiguousOrganizationError,
    AmbiguousPhoneNumberError,
    DuplicateRowError,
)
from service.admin.imports.csv_file import RowFault
from service.admin.imports.known_numbers import KnownNumbers
from service.admin.imports.number_rows import ImportRow
from service.admin.imports.organization_rows import ImportedOrganization
from service.domain.errors import (
    CallgateError,
    PhoneNumberTakenError,
    UnknownOrganizationError,
    VapiAwayError,
    VapiPhoneNumberNotFoundError,
)
from service.domain.organizations import BY_EXTERNAL_ID
from service.domain.phone_numbers import NumberGate
from service.store.phone_numbers.lookups import NamedOrganization, RegisteredNumber

Action = Literal["create", "update", "unchanged", "error"]


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One planned row. An `error` has a stable `code` and a `message`.

    `phone_number` and `organization` are for people; `given` are the cells of the file as given.
    `label` and `gate` are None if not given.
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
    given: tuple[str, ...] = ()
    wanted: ImportedOrganization | None = None
    """The row of a file of organizations."""

    def failed(self, error: CallgateError) -> "PlannedRow":
        return replace(self, action="error", code=error.code, message=error.message)

    @property
    def changes(self) -> dict[str, Any]:
        """The given fields, for a registered number."""
        given = {"label": self.label, "gate": self.gate}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """All rows in order. `warning` limits the whole plan, for example when Vapi does not answer."""

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
        """How many rows make a change."""
        return self.figures["create"] + self.figures["update"]


class Naming:
    """Finds a row's organization: by our id, else by an external id, else by name."""

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
        """Raises `UnknownOrganizationError`, or `AmbiguousOrganizationError` for a shared name."""
        as_id = find_uuid(word)
        found = self.by_id.get(as_id) if as_id else None
        found = found or self.by_external_id.get(word.removeprefix(BY_EXTERNAL_ID))
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
    """Plans the rows of one import in order. `first` maps a number to the first line that names it."""

    known: KnownNumbers
    naming: Naming
    here: Mapping[str, RegisteredNumber]
    first: dict[str, int] = field(default_factory=dict)

    def judge(self, row: ImportRow | RowFault) -> PlannedRow:
        """Plan a row, or record its error."""
        begun = PlannedRow(row.line, row.phone_number, row.organization, "error", given=row.given)
        if isinstance(row, RowFault):
            return replace(begun, code=row.code, message=row.message)
        begun = replace(begun, label=row.label, gate=row.gate)
        try:
            return self.decide(begun, row)
        except CallgateError as exc:
            return begun.failed(exc)

    def decide(self, begun: PlannedRow, row: ImportRow) -> PlannedRow:
        """Plan a row. Raises `CallgateError`."""
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
    """The changes of a row as text; values that it does not give stay."""
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
        "on its page (Edit)."
    )


def listed(ids: Sequence[str]) -> str:
    return ", ".join(ids[:5]) + (", …" if len(ids) > 5 else "")
