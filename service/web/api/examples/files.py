"""An example of every exported file: the example of its items, as the export writes it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from pydantic import BaseModel

from service.web.api.examples.bodies import EXAMPLES
from service.web.exports import audit, calls, phone_numbers, usage
from service.web.exports.csv_files import csv_lines
from service.web.exports.export import CSV_TYPE, JSON_LINES_TYPE
from service.web.shapes.audit import AuditEntry
from service.web.shapes.calls import Call
from service.web.shapes.phone_numbers import PhoneNumber
from service.web.shapes.usage import UsageItem


class ExportedFile(NamedTuple):
    """What a file has: its items, the heads of its columns, and the line of an item."""

    item: type[BaseModel]
    heads: Sequence[str]
    cells: Callable[[Any], Sequence[str]]


FILES: Mapping[str, ExportedFile] = {
    "export_audit": ExportedFile(AuditEntry, audit.HEADS, audit.cells),
    "export_calls": ExportedFile(Call, calls.HEADS, lambda call: calls.cells(call, {})),
    "export_phone_numbers": ExportedFile(
        PhoneNumber, phone_numbers.HEADS, lambda number: phone_numbers.cells(number, {})
    ),
    "export_usage": ExportedFile(UsageItem, usage.HEADS, usage.cells),
}
"""By the name of the operation."""


def example_files(name: str) -> Mapping[str, str]:
    """The example of an operation's file in each format, by its content type. Raises `KeyError`."""
    file = FILES[name]
    line = orjson.dumps(EXAMPLES[file.item])
    item = file.item.model_validate_json(line)
    return {
        CSV_TYPE: csv_lines([file.heads, file.cells(item)]).decode(),
        JSON_LINES_TYPE: f"{line.decode()}\n",
    }
