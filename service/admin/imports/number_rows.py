"""The rows of a CSV file of phone numbers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.host.ids import parse_vapi_id
from policies.host.marks import BadTextError
from policies.host.phone_numbers import is_phone_like, parse_phone_number
from service.admin.imports.csv_file import (
    MAX_ROWS,
    CellError,
    CsvShape,
    Line,
    RowFault,
    parse_named,
    parse_rows,
    shown,
)
from service.domain.phone_numbers import NumberGate
from service.inputs.csv_cells import FORMULA

COLUMNS = ("phone_number", "organization", "label", "gate")
GATES: dict[str, NumberGate] = {"event": "event", "request": "request"}

SHAPE = CsvShape(
    COLUMNS,
    ("phone_number", "organization"),
    {"vapi_phone_number_id": "phone_number", "number": "phone_number"},
    "Known columns: phone_number (or vapi_phone_number_id, or number) and organization; label "
    "and gate may be left out.",
)


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One valid line. `phone_number` is Vapi's id or E.164; None: not given."""

    line: int
    phone_number: str
    organization: str
    label: str | None = None
    gate: NumberGate | None = None
    given: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_e164(self) -> bool:
        return self.phone_number.startswith("+")


def parse_import(data: bytes, max_rows: int = MAX_ROWS) -> list[ImportRow | RowFault]:
    """Every line that is not empty, in order. Raises `CsvError` if the file cannot be used.

    A repeated number is a fault of the later line.
    """
    named: dict[str, int] = {}
    found: list[ImportRow | RowFault] = []
    for row in parse_rows(data, SHAPE, parse_row, max_rows):
        first = named.setdefault(row.phone_number, row.line) if isinstance(row, ImportRow) else None
        found.append(repeated(row, first) if first not in (None, row.line) else row)
    return found


def repeated(row: ImportRow | RowFault, first: int | None) -> RowFault:
    message = f"This is the number of line {first} again. This line is not used."
    cells = {"phone_number": row.phone_number, "organization": row.organization}
    return RowFault(row.line, "duplicate_row", message, cells, row.given)


def parse_row(line: Line, cells: Mapping[str, str]) -> ImportRow:
    """One line, checked. Raises `CellError`."""
    return ImportRow(
        line.number,
        parse_number(cells["phone_number"]),
        parse_organization(cells["organization"]),
        parse_label(cells.get("label", "")),
        parse_gate(cells.get("gate", "")),
        line.given,
    )


def parse_number(cell: str) -> str:
    """Vapi's id or E.164. Raises `CellError`."""
    if not cell:
        raise CellError(
            "invalid_phone_number",
            "There is no phone number: write Vapi's id of it, or E.164 such as +15551234567.",
        )
    try:
        if is_phone_like(cell):
            return parse_phone_number(cell)
    except BadTextError as exc:
        raise CellError("invalid_phone_number", str(exc)) from None
    try:
        return parse_vapi_id(cell)
    except BadTextError as exc:
        message = f"The phone number {exc} Or write it in E.164 such as +15551234567."
        raise CellError("invalid_phone_number", message) from None


def parse_organization(cell: str) -> str:
    """Our id, an external id or a name. Raises `CellError`."""
    if not cell:
        raise CellError("invalid_organization", "The organization is missing.")
    return parse_named(cell, "organization")


def parse_label(cell: str) -> str | None:
    """A label that is safe to show and to export; None if it is empty. Raises `CellError`."""
    if cell.startswith(FORMULA):
        raise CellError(
            "invalid_label",
            "The label begins like a formula (=, +, -, @ or a tab), which a spreadsheet would run "
            "when it is exported again: begin it with a letter or a digit.",
        )
    return parse_named(cell, "label") if cell else None


def parse_gate(cell: str) -> NumberGate | None:
    """Raises `CellError`."""
    if cell and cell.lower() not in GATES:
        raise CellError("invalid_gate", f"The gate is event or request, not {shown(cell)}.")
    return GATES.get(cell.lower())
