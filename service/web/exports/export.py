"""A list as a file: read in pages and written as they come, so that memory stays flat.

Pages go by the place of their last row, not by a cursor of PostgreSQL: a slow reader then holds neither
a connection nor a transaction. What is recorded meanwhile comes before the first row, so it is missing.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import structlog
from aiohttp import web
from pydantic import BaseModel

from service.web.exports.csv_files import MARK, csv_headers, csv_lines

ExportFormat = Literal["csv", "jsonl"]
CSV_TYPE, JSON_LINES_TYPE = "text/csv", "application/jsonl"

EXPORT_SECONDS = 3600.0
"""How long a file may take, which its reader decides."""
AT_ONCE = 100
"""Rows that are shaped in one piece of work, which takes some milliseconds."""

Item = TypeVar("Item", bound=BaseModel)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Export(Generic[Item]):
    """`name` is the file's, without its ending. `heads` are those of a CSV file, and `cells` its line
    of an item; a line of JSON is the item itself."""

    name: str
    heads: Sequence[str]
    pages: AsyncIterator[Sequence[Item]]
    cells: Callable[[Item], Sequence[str]]

    def write(self, items: Sequence[Item], form: ExportFormat) -> bytes:
        """Items as lines."""
        if form == "csv":
            return csv_lines(self.cells(item) for item in items)
        return b"".join(item.model_dump_json().encode() + b"\n" for item in items)

    def headers(self, form: ExportFormat) -> dict[str, str]:
        """The headers of the download."""
        headers = csv_headers(f"{self.name}.{form}")
        if form == "jsonl":
            headers["Content-Type"] = f"{JSON_LINES_TYPE}; charset=utf-8"
        return headers


async def send_export(
    request: web.Request, export: Export[Item], form: ExportFormat, *, marked: bool = False
) -> web.StreamResponse:
    """Answer with a file. A failure before the first line is raised; a later one cuts the connection,
    so that no reader takes a part of the file for the whole.

    `marked`: a CSV file begins with a byte order mark, for spreadsheets. A program would take it for a
    part of the first name.
    """
    headers = export.headers(form)
    if request.method == "HEAD":
        return web.Response(headers=headers)
    items: Sequence[Item] | None = await anext(export.pages, None)
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    try:
        if form == "csv":
            await response.write((MARK if marked else b"") + csv_lines([export.heads]))
        while items is not None:
            if items:
                await response.write(export.write(items, form))
            # Between two pages other requests have their turn, even if PostgreSQL answers at once.
            await asyncio.sleep(0)
            items = await anext(export.pages, None)
        await response.write_eof()
    except BaseException as exc:
        log.warning("export.cut_short", name=export.name, error=type(exc).__name__)
        if request.transport is not None:
            request.transport.abort()
        raise
    return response


def csv_json(value: object) -> str:
    """An object in a cell; "" if there is none."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else ""
