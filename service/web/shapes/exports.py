"""Downloads of lists: rows as CSV for spreadsheets, or as a JSON object a line, piece by piece."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import orjson
from aiohttp import web

from service.inputs.csv_cells import escape_cell

ExportFormat = Literal["csv", "jsonl"]
CONTENT_TYPES: Mapping[ExportFormat, str] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl; charset=utf-8",
}
DOWNLOADS = {
    kind.partition(";")[0]: {"schema": {"type": "string"}} for kind in CONTENT_TYPES.values()
}
"""What a download contains, by its format, for the OpenAPI document."""
MARK = "\ufeff".encode()
AT_ONCE = 500
"""Rows that are written in one piece of work."""


@dataclass(frozen=True, slots=True)
class Export:
    """A download. `rows` have the values of `columns`; a CSV file has their names as header row.

    `marked`: it begins with a byte order mark, by which spreadsheets recognize UTF-8.
    """

    name: str
    format: ExportFormat
    columns: Sequence[str]
    rows: Iterable[Sequence[object]]
    marked: bool = False

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Content-Type": CONTENT_TYPES[self.format],
            "Content-Disposition": f'attachment; filename="{self.name}.{self.format}"',
            "Cache-Control": "no-store",
        }

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Answer a request with it."""
        if request.method == "HEAD":
            return web.Response(headers=self.headers)
        response = web.StreamResponse(headers=self.headers)
        await response.prepare(request)
        for piece in self.pieces():
            await response.write(piece)
        await response.write_eof()
        return response

    def pieces(self) -> Iterator[bytes]:
        """The file in pieces."""
        if self.format == "csv":
            yield (MARK if self.marked else b"") + csv_rows([self.columns])
        left = iter(self.rows)
        while rows := list(islice(left, AT_ONCE)):
            yield csv_rows(rows) if self.format == "csv" else self.json_rows(rows)

    def json_rows(self, rows: Iterable[Sequence[object]]) -> bytes:
        lines = (
            orjson.dumps(dict(zip(self.columns, row, strict=True)), default=float) for row in rows
        )
        return b"".join(line + b"\n" for line in lines)


def csv_rows(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows of CSV whose cells no spreadsheet runs as a formula."""
    written = io.StringIO()
    writer = csv.writer(written)
    for row in rows:
        writer.writerow(["" if cell is None else escape_cell(str(cell)) for cell in row])
    return written.getvalue().encode()
