"""CSV files for spreadsheets: cells that a spreadsheet would run as a formula stay texts."""

import csv
import io
import re
from collections.abc import Iterable
from datetime import datetime

from aiohttp import web

from service.inputs.csv_cells import escape_cell
from service.web.shapes.fields import in_utc

MARK = b"\xef\xbb\xbf"
"""The byte order mark, by which spreadsheets recognize UTF-8."""

NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
"""A phone number: no formula, although it begins like one."""


def csv_lines(rows: Iterable[Iterable[str]], *, keep_numbers: bool = False) -> bytes:
    """Rows as CSV. `keep_numbers` leaves phone numbers as they are, for files to be imported."""
    written = io.StringIO()
    writer = csv.writer(written)
    for row in rows:
        writer.writerow([safe_cell(cell, keep_numbers=keep_numbers) for cell in row])
    return written.getvalue().encode()


def safe_cell(cell: str, *, keep_numbers: bool) -> str:
    """A cell that no spreadsheet runs."""
    return cell if keep_numbers and NUMBER.fullmatch(cell) else escape_cell(cell)


def csv_headers(name: str) -> dict[str, str]:
    """The headers of a download."""
    return {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }


def importable_csv(rows: Iterable[Iterable[str]]) -> bytes:
    """A whole file that can be imported again."""
    return MARK + csv_lines(rows, keep_numbers=True)


def csv_file(name: str, data: bytes) -> web.Response:
    """A file as a download."""
    return web.Response(body=data, headers=csv_headers(name))


def csv_moment(instant: datetime | None) -> str:
    """An instant in a cell."""
    return "" if instant is None else in_utc(instant)


def csv_value(value: object) -> str:
    """Any other value in a cell; "" if it is not known."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
