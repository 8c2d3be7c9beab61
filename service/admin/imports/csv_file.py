"""A CSV file as rows, each checked on its own. Pure: it knows neither columns, database nor Vapi."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from policies.host.marks import BadTextError, trim
from service.domain.errors import InvalidError
from service.domain.texts import fold_start
from service.inputs.csv_cells import unescape_cell
from service.inputs.names import parse_name

MAX_BYTES = 16 * 2**20
MAX_ROWS = 100_000
MAX_LINE = 10_000
MAX_TEXT = 200
SHOWN = 60

DELIMITERS = ",;\t"
DELIMITER_LINE = re.compile(r"\s*\"?sep=.\"?\s*$", re.IGNORECASE)
"""Excel's first line for itself, which names the delimiter; ours is found from the header."""
WORKBOOKS = ((b"PK\x03\x04", "an Excel or OpenDocument"), (b"\xd0\xcf\x11\xe0", "an old Excel"))

PROBLEM = "problem"
"""The first column of the files of failed rows, which can be corrected and imported again."""
LOST = "\ufffd"
"""What a program writes for a character that it could not read."""

Row = TypeVar("Row")


class CsvError(InvalidError):
    """The file as a whole cannot be read; no row was used."""

    code = "csv_unusable"
    sentence = "The CSV file cannot be read. Nothing was changed."


@dataclass(frozen=True, slots=True)
class CsvShape:
    """The columns of a kind of file. `known` is the sentence that names them."""

    columns: Sequence[str]
    required: Sequence[str]
    aliases: Mapping[str, str]
    known: str

    def column_of(self, cell: str) -> str:
        """The canonical name of a column: `Phone Number` is `phone_number`."""
        name = re.sub(r"[\s-]+", "_", fold_start(cell.strip()))
        return self.aliases.get(name, name)


@dataclass(frozen=True, slots=True)
class Line:
    """A line's number, and its cells as given, in the order of the shape's columns."""

    number: int
    given: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowFault:
    """A line that cannot be used, with the reason, which is safe to show.

    `cells` are untrusted; `given` are all of them, with those for which there is no column.
    """

    line: int
    code: str
    message: str
    cells: Mapping[str, str] = field(default_factory=dict)
    given: tuple[str, ...] = ()

    @property
    def phone_number(self) -> str:
        return shown(self.cells.get("phone_number", ""))

    @property
    def name(self) -> str:
        return shown(self.cells.get("name", ""))

    @property
    def organization(self) -> str:
        return shown(self.cells.get("organization", ""))


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

    @property
    def is_escaped(self) -> bool:
        """Whether the file is one of failed rows, whose cells no spreadsheet runs."""
        return PROBLEM in self.columns


def parse_rows(
    data: bytes,
    shape: CsvShape,
    parse_row: Callable[[Line, Mapping[str, str]], Row],
    max_rows: int = MAX_ROWS,
) -> Iterator[Row | RowFault]:
    """Every line that is not empty, in order. Raises `CsvError` if the file cannot be used.

    UTF-8, or UTF-16 with a byte order mark; the delimiter is a comma, a semicolon or a tab. Lines are
    numbered from 1, the header included.
    """
    if len(data) > MAX_BYTES:
        raise CsvError(f"The file is larger than {MAX_BYTES // 2**20} MiB: split it.")
    for start, kind in WORKBOOKS:
        if data.startswith(start):
            raise CsvError(f"The file is {kind} workbook: save it as CSV (UTF-8) and import that.")
    header: Header | None = None
    found = 0
    for line, text in lines_of(data):
        if not text.strip() or (line == 1 and DELIMITER_LINE.match(text)):
            continue
        if header is None:
            header = parse_header(line, text, shape)
            continue
        row = parse_line(line, text, header, shape, parse_row)
        if row is None:
            continue
        if found == max_rows:
            raise CsvError(f"The file has more than {max_rows:,} rows: split it.")
        found += 1
        yield row
    if header is None:
        raise CsvError(f"The file is empty: its first line must name the columns. {shape.known}")


def lines_of(data: bytes) -> Iterator[tuple[int, str]]:
    """Numbered lines, with `LOST` for what is not UTF-8. Raises `CsvError` for broken UTF-16.

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
        yield line, raw.rstrip(b"\n").decode(errors="replace")


def split(text: str, delimiter: str) -> list[str]:
    """The cells of one line. Raises `CellError`."""
    if len(text) > MAX_LINE:
        raise CellError("line_too_long", f"The line has more than {MAX_LINE:,} characters.")
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True, skipinitialspace=True), [])
    except csv.Error:
        message = "The quotes do not match: a cell must end on its first line."
        raise CellError("csv_quotes", message) from None


def parse_header(line: int, text: str, shape: CsvShape) -> Header:
    """The columns by name, in any order and case. Raises `CsvError` with the columns at fault."""
    if LOST in text:
        raise CsvError(f"Line {line} is not UTF-8: save the file as CSV in UTF-8.")
    if "\x00" in text:
        raise CsvError(f"Line {line} has NUL bytes: save the file as CSV in UTF-8.")
    header = max(
        headers_of(line, text, shape),
        key=lambda one: sum(name in shape.columns for name in one.columns),
    )
    header = Header(header.delimiter, without_blank_end(header.columns))
    unknown = [shown(name) for name in header.columns if name not in (*shape.columns, PROBLEM)]
    doubled = [name for name in shape.columns if header.columns.count(name) > 1]
    missing = [name for name in shape.required if name not in header.columns]
    for fault, names in (("Unknown", unknown), ("Doubled", doubled), ("Missing", missing)):
        if names:
            listed = ", ".join(name or "one without a name" for name in names[:10])
            raise CsvError(f"{fault} columns in line {line}: {listed}. {shape.known}")
    return header


def without_blank_end(cells: Sequence[str]) -> Sequence[str]:
    """Cells without empty ones at the end, which a spreadsheet adds for columns that had text once."""
    end = len(cells)
    while end > 0 and not cells[end - 1]:
        end -= 1
    return cells[:end]


def headers_of(line: int, text: str, shape: CsvShape) -> list[Header]:
    """The header with each delimiter. Raises `CsvError` if it fits none."""
    found, faults = list[Header](), list[CellError]()
    for mark in DELIMITERS:
        try:
            found.append(Header(mark, [shape.column_of(cell) for cell in split(text, mark)]))
        except CellError as exc:  # quotes match with the right delimiter only
            faults.append(exc)
    if not found:
        raise CsvError(f"Line {line}, the header: {faults[0].message}")
    return found


def parse_line(
    line: int,
    text: str,
    header: Header,
    shape: CsvShape,
    parse_row: Callable[[Line, Mapping[str, str]], Row],
) -> Row | RowFault | None:
    """One line, checked; None if all its cells are empty."""
    cells: dict[str, str] = {}
    given: tuple[str, ...] = (storable(trim(text[:MAX_LINE])),)
    try:
        parts = [trim(part) for part in split(text, header.delimiter)]
        if not any(parts):
            return None
        if header.is_escaped:
            parts = [unescape_cell(part) for part in parts]
        cells = dict(zip(header.columns, parts, strict=False))
        extra = without_blank_end(parts[len(header.columns) :])
        is_whole = len(parts) >= len(header.columns)
        given = given_cells(shape, cells, extra, is_whole=is_whole)
        if LOST in text:
            message = "A character of the line is lost: save the file as CSV in UTF-8."
            raise CellError("csv_encoding", message)
        if extra or not is_whole:
            message = f"{len(parts)} cells where the header has {len(header.columns)} columns."
            raise CellError("wrong_cell_count", message)
        return parse_row(Line(line, given), cells)
    except CellError as exc:
        return RowFault(line, exc.code, exc.message, cells, given)


def given_cells(
    shape: CsvShape, cells: Mapping[str, str], extra: Sequence[str], *, is_whole: bool
) -> tuple[str, ...]:
    """A line's cells in the order of the shape; one that is not whole without those that it lacks at
    its end."""
    here = [place for place, name in enumerate(shape.columns, 1) if name in cells]
    end = len(shape.columns) if is_whole else max(here, default=0)
    own = (cells.get(name, "") for name in shape.columns[:end])
    return tuple(storable(cell) for cell in (*own, *extra))


def storable(text: str) -> str:
    """A text without NUL, which PostgreSQL cannot store."""
    return text.replace("\x00", LOST)


def parse_named(cell: str, name: str) -> str:
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
