"""The kinds of stored imports: how a file becomes a plan, and how one of its rows is applied."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar
from uuid import UUID

from service.admin.actor import Actor
from service.admin.imports import number_rows, organization_rows
from service.admin.imports.csv_file import CsvError
from service.admin.imports.imports import Imports
from service.admin.imports.known_numbers import KnownNumbers
from service.admin.imports.organization_imports import OrganizationImports
from service.admin.imports.plan import ImportPlan, PlannedRow
from service.store.imports.imports import Kind
from service.store.imports.rows import ImportRecord
from service.store.phone_numbers import lookups

MAX_ROWS = 10_000
PLAN_SECONDS = 20.0

COLUMNS: Mapping[Kind, Sequence[str]] = {
    "phone_numbers": number_rows.COLUMNS,
    "organizations": organization_rows.COLUMNS,
}
"""The columns of a file of each kind, in their order."""

Row = TypeVar("Row")


class ImportKind(Protocol):
    """What differs between the kinds."""

    async def plan(self, data: bytes) -> ImportPlan:
        """Plan the rows of a CSV file. Raises `CsvError` for one that cannot be used as a whole."""

    async def apply_row(self, actor: Actor, row: PlannedRow, new_id: UUID) -> PlannedRow:
        """Apply one row; with its error if it fails. A row that was applied already is done once.

        `new_id` is the row's own: an object that it adds may take it.
        """


async def read_rows(parse: Callable[[bytes, int], list[Row]], data: bytes, noun: str) -> list[Row]:
    """The rows of a file that has some, and not too many. Raises `CsvError`."""
    rows = await asyncio.to_thread(parse, data, MAX_ROWS)
    if not rows:
        raise CsvError(f"The file names no {noun}: below its header every line is empty.")
    return rows


@dataclass(slots=True)
class NumberImportKind:
    """Phone numbers. `plan_seconds` is how long Vapi may take to list them."""

    imports: Imports
    plan_seconds: float = PLAN_SECONDS

    async def plan(self, data: bytes) -> ImportPlan:
        """Plan the rows; a timeout counts as a Vapi that does not answer."""
        rows = await read_rows(number_rows.parse_import, data, "phone number")
        try:
            async with asyncio.timeout(self.plan_seconds):
                return await self.imports.plan(rows)
        except TimeoutError:
            problem = f"Vapi did not list its numbers within {self.plan_seconds:.0f} seconds."
            return await self.imports.judge(rows, KnownNumbers(problem=problem))

    async def apply_row(self, actor: Actor, row: PlannedRow, new_id: UUID) -> PlannedRow:  # noqa: ARG002
        """Apply one row. A number that exists already for the same organization was added by a worker
        that died before it recorded it, or by an admin since the plan: then it is only updated."""
        done = await self.imports.apply_row(actor, row)
        if row.action != "create" or done.code != "phone_number_taken":
            return done
        vapi_id = row.vapi_phone_number_id or ""
        here = (await lookups.find_numbers(self.imports.pool, [vapi_id])).get(vapi_id)
        if here is None or here.organization_id != row.organization_id:
            return done
        there = replace(row, action="update", phone_number_id=here.id)
        return await self.imports.apply_row(actor, there)


@dataclass(frozen=True, slots=True)
class OrganizationImportKind:
    """Organizations with their plans and trials."""

    imports: OrganizationImports

    async def plan(self, data: bytes) -> ImportPlan:
        rows = await read_rows(organization_rows.parse_organizations, data, "organization")
        return await self.imports.plan(rows)

    async def apply_row(self, actor: Actor, row: PlannedRow, new_id: UUID) -> PlannedRow:
        return await self.imports.apply_row(actor, row, new_id)


def planned_of(record: ImportRecord) -> PlannedRow:
    """The planned row, as stored. A row that is not applied yet has no message."""
    values: dict[str, Any] = {**record.plan}
    for name in ("organization_id", "phone_number_id"):
        values[name] = UUID(values[name]) if values[name] else None
    if record.wanted is not None:
        values["wanted"] = organization_rows.stored_row(record.wanted)
    return PlannedRow(**values)
