"""A CSV file of phone numbers as rows, each checked on its own. Pure: it knows neither the database
nor Vapi."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.domain.errors import InvalidError
from service.domain.phone_numbers import NumberGate
from service.domain.texts import fold_start
from service.inputs.ids import parse_vapi_id
from service.inputs.marks import BadTextError, trim
from service.inputs.names import parse_name
from service.inputs.phone_numbers import is_phone_like, parse_phone_number

MAX_BYTES = 16 * 2**20
MAX_ROWS = 100_000
MAX_LINE = 10_000
MAX_TEXT = 200
SHOWN = 60

FORMULA = tuple("=+-@\t\r＝＋－＠")  # what a spreadsheet would run
DELIMITERS = ",;\t"
DELIMITER_LINE = re.compile(r"\s*\"?sep=.\"?\s*$", re.IGNORECASE)
"""Excel's first line for itself, which names the delimiter; ours is found from the header."""
WORKBOOKS = ((b"PK\x03\x04", "an Excel or OpenDocument"), (b"\xd0\xcf\x11\xe0", "an old Excel"))

COLUMNS = ("phone_number", "organization", "label", "gate")
REQUIRED = ("phone_number", "organization")
PASSED_OVER = ("problem",)
"""A column of the files of failed rows, which can be corrected and imported again."""
ALIASES = {"vapi_phone_number_id": "phone_number", "number": "phone_number"}
KNOWN = (
    "Known columns: phone_number (or vapi_phone_number_id, or number) and organization; label "
    "and gate may be left out."
)
GATES: dict[str, NumberGate] = {"event": "event", "request": "request"}


class CsvError(InvalidError):
    """The file as a whole cannot be read; no row was used."""

    code = "csv_unusable"
    sentence = "The CSV file cannot be read. Nothing was changed."


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One valid line. `phone_number` is Vapi's id or E.164; None: not given."""

    line: int
    phone_number: str
    organization: str
    label: str | None = None
    gate: NumberGate | None = None

    @property
    def is_e164(self) -> bool:
        return self.phone_number.startswith("+")


@dataclass(frozen=True, slots=True)
class RowFault:
    """A line that cannot be used, with the reason. The texts are safe to show."""

    line: int
    code: str
    message: str
    phone_number: str = ""
    organization: str = ""


class CellError(Exception):
    """One cell is wrong; the line becomes a `RowFault`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Header:
    """The columns in order, and the delimiter."""

    delimiter: str
    columns: Sequence[str]


def parse_import(data: bytes, max_rows: int = MAX_ROWS) -> list[ImportRow | RowFault]:
    """Every line that is not empty, in order. Raises `CsvError` if the file cannot be used.

    UTF-8, or UTF-16 with a byte order mark; the delimiter is a comma, a semicolon or a tab. Lines are
    numbered from 1, the header included. A repeated number is a fault of the later line.
    """
    if len(data) > MAX_BYTES:
        raise CsvError(f"The file is larger than {MAX_BYTES // 2**20} MiB: split it.")
    for start, kind in WORKBOOKS:
        if data.startswith(start):
            raise CsvError(f"The file is {kind} workbook: save it as CSV (UTF-8) and import that.")
    header: Header | None = None
    found: list[ImportRow | RowFault] = []
    named: dict[str, int] = {}
    for line, text in lines_of(data):
        if text is not None and (not text.strip() or (line == 1 and DELIMITER_LINE.match(text))):
            continue
        if header is None:
            header = parse_header(line, text)
            continue
        row = parse_line(line, text, header)
        if row is None:
            continue
        if len(found) == max_rows:
            raise CsvError(f"The file has more than {max_rows:,} rows: split it.")
        if isinstance(row, ImportRow):
            first = named.setdefault(row.phone_number, line)
            if first != line:
                row = repeated(row, first)
        found.append(row)
    if header is None:
        raise CsvError(f"The file is empty: its first line must name the columns. {KNOWN}")
    return found


def repeated(row: ImportRow, first: int) -> RowFault:
    message = f"This is the number of line {first} again. This line is not used."
    return RowFault(row.line, "duplicate_row", message, row.phone_number, row.organization)


def lines_of(data: bytes) -> Iterator[tuple[int, str | None]]:
    """Numbered lines; None for one that is not UTF-8. Raises `CsvError` for broken UTF-16.

    A cell cannot contain a line break, so an open quote spoils one line, not the rest.
    """
    if data.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        raise CsvError("The file is UTF-32: save it as CSV in UTF-8.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError as exc:
            line = data[: exc.start].decode("utf-16", "ignore").count("\n") + 1
            raise CsvError(
                f"Line {line} is not UTF-16, although the file begins as UTF-16."
            ) from exc
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        yield from ((line, part.rstrip("\n")) for line, part in enumerate(io.StringIO(text), 1))
        return
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line, raw in enumerate(io.BytesIO(data), 1):
        try:
            yield line, raw.rstrip(b"\n").decode()
        except UnicodeDecodeError:
            yield line, None


def split(text: str, delimiter: str) -> list[str]:
    """The cells of one line. Raises `CellError`."""
    if len(text) > MAX_LINE:
        raise CellError("line_too_long", f"The line has more than {MAX_LINE:,} characters.")
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True, skipinitialspace=True), [])
    except csv.Error:
        message = "The quotes do not match: a cell must end on its first line."
        raise CellError("csv_quotes", message) from None


def parse_header(line: int, text: str | None) -> Header:
    """The columns by name, in any order and case. Raises `CsvError` with the columns at fault."""
    if text is None:
        raise CsvError(f"Line {line} is not UTF-8: save the file as CSV in UTF-8.")
    if "\x00" in text:
        raise CsvError(f"Line {line} has NUL bytes: save the file as CSV in UTF-8.")
    header = max(
        headers_of(line, text), key=lambda one: sum(name in COLUMNS for name in one.columns)
    )
    header = Header(header.delimiter, without_blank_end(header.columns))
    unknown = [shown(name) for name in header.columns if name not in (*COLUMNS, *PASSED_OVER)]
    doubled = [name for name in COLUMNS if header.columns.count(name) > 1]
    missing = [name for name in REQUIRED if name not in header.columns]
    for fault, names in (("Unknown", unknown), ("Doubled", doubled), ("Missing", missing)):
        if names:
            listed = ", ".join(name or "one without a name" for name in names[:10])
            raise CsvError(f"{fault} columns in line {line}: {listed}. {KNOWN}")
    return header


def without_blank_end(cells: Sequence[str]) -> Sequence[str]:
    """Cells without empty ones at the end, which a spreadsheet adds for columns that had text once."""
    end = len(cells)
    while end > 0 and not cells[end - 1]:
        end -= 1
    return cells[:end]


def headers_of(line: int, text: str) -> list[Header]:
    """The header with each delimiter. Raises `CsvError` if it fits none."""
    found, faults = list[Header](), list[CellError]()
    for mark in DELIMITERS:
        try:
            found.append(Header(mark, [column_of(cell) for cell in split(text, mark)]))
        except CellError as exc:  # quotes match with the right delimiter only
            faults.append(exc)
    if not found:
        raise CsvError(f"Line {line}, the header: {faults[0].message}")
    return found


def column_of(cell: str) -> str:
    """The canonical name of a column: `Phone Number` is `phone_number`."""
    name = re.sub(r"[\s-]+", "_", fold_start(cell.strip()))
    return ALIASES.get(name, name)


def parse_line(line: int, text: str | None, header: Header) -> ImportRow | RowFault | None:
    """One line, checked; None if all its cells are empty."""
    if text is None:
        message = "The line is not UTF-8: save the file as CSV in UTF-8."
        return RowFault(line, "csv_encoding", message)
    cells: dict[str, str] = {}
    try:
        parts = [trim(part) for part in split(text, header.delimiter)]
        if not any(parts):
            return None
        cells = dict(zip(header.columns, parts, strict=False))
        if len(parts) < len(header.columns) or any(parts[len(header.columns) :]):
            message = f"{len(parts)} cells where the header has {len(header.columns)} columns."
            raise CellError("wrong_cell_count", message)
        return ImportRow(
            line,
            parse_number(cells["phone_number"]),
            parse_organization(cells["organization"]),
            parse_label(cells.get("label", "")),
            parse_gate(cells.get("gate", "")),
        )
    except CellError as exc:
        given = (shown(cells.get(name, "")) for name in REQUIRED)
        return RowFault(line, exc.code, exc.message, *given)


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
    return named(cell, "organization")


def parse_label(cell: str) -> str | None:
    """A label that is safe to show and to export; None if it is empty. Raises `CellError`."""
    if cell.startswith(FORMULA):
        raise CellError(
            "invalid_label",
            "The label begins like a formula (=, +, -, @ or a tab), which a spreadsheet would run "
            "when it is exported again: begin it with a letter or a digit.",
        )
    return named(cell, "label") if cell else None


def parse_gate(cell: str) -> NumberGate | None:
    """Raises `CellError`."""
    if cell and cell.lower() not in GATES:
        raise CellError("invalid_gate", f"The gate is event or request, not {shown(cell)}.")
    return GATES.get(cell.lower())


def named(cell: str, name: str) -> str:
    """A name in the form in which names are stored and compared. Raises `CellError`."""
    if len(cell) > MAX_TEXT:
        message = f"The {name} has more than {MAX_TEXT} characters."
        raise CellError(f"invalid_{name}", message)
    try:
        return parse_name(cell)
    except BadTextError as exc:
        raise CellError(f"invalid_{name}", f"The {name} {exc}.") from None


def shown(text: str) -> str:
    """An untrusted text, shortened and without control characters."""
    text = "".join(sign if sign.isprintable() else "?" for sign in text[: SHOWN + 1])
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
