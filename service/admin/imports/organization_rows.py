"""The rows of a CSV file of organizations. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args

from policies.entitlements import PlanStatus
from policies.host.marks import BadTextError
from policies.host.spoken import parse_spoken
from policies.host.time_zones import parse_time_zone
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
from service.domain.instants import parse_written_instant

COLUMNS = (
    "name",
    "external_id",
    "plan",
    "status",
    "current_period_end",
    "trial_ends_at",
    "blocked_message",
    "time_zone",
)
SHAPE = CsvShape(
    COLUMNS,
    ("name",),
    {"plan_code": "plan", "plan_status": "status", "plan_ends_at": "current_period_end"},
    "Known columns: name; external_id, plan, status, current_period_end, trial_ends_at, "
    "blocked_message and time_zone may be left out.",
)
STATUSES: Mapping[str, PlanStatus] = {status: status for status in get_args(PlanStatus)}
LONGEST_MESSAGE = 1000
LONGEST_CODE = 100


@dataclass(frozen=True, slots=True)
class ImportedOrganization:
    """One valid line; None: not given, so that it stays. `plan` and `status` come together."""

    line: int
    name: str
    external_id: str | None = None
    plan: str | None = None
    status: PlanStatus | None = None
    current_period_end: datetime | None = None
    trial_ends_at: datetime | None = None
    blocked_message: str | None = None
    time_zone: str | None = None
    given: tuple[str, ...] = field(default=(), compare=False)


def stored_row(values: Mapping[str, Any]) -> ImportedOrganization:
    """A row as an import keeps it until it is applied."""
    instants = {
        name: datetime.fromisoformat(values[name]) if values[name] else None
        for name in ("current_period_end", "trial_ends_at")
    }
    return ImportedOrganization(**{**values, **instants})


def parse_organizations(
    data: bytes, max_rows: int = MAX_ROWS
) -> list[ImportedOrganization | RowFault]:
    """Every line that is not empty, in order. Raises `CsvError` if the file cannot be used."""
    return list(parse_rows(data, SHAPE, parse_row, max_rows))


def parse_row(line: Line, cells: Mapping[str, str]) -> ImportedOrganization:
    """One line, checked. Raises `CellError`."""
    plan, status = cells.get("plan", ""), cells.get("status", "")
    ends = parse_time(cells.get("current_period_end", ""), "current_period_end")
    if bool(plan) is not bool(status) or (ends and not plan):
        raise CellError(
            "invalid_plan",
            "The plan is incomplete: give plan and status, and current_period_end only with them.",
        )
    if len(plan) > LONGEST_CODE:
        raise CellError("invalid_plan", f"The plan has more than {LONGEST_CODE} characters.")
    if status and status.lower() not in STATUSES:
        known = ", ".join(STATUSES)
        raise CellError("invalid_plan", f"The status is {shown(status)}; it is one of {known}.")
    if not cells["name"]:
        raise CellError("invalid_name", "The name is missing.")
    external_id = cells.get("external_id", "")
    return ImportedOrganization(
        line.number,
        parse_named(cells["name"], "name"),
        parse_named(external_id, "external_id") if external_id else None,
        parse_named(plan, "plan") if plan else None,
        STATUSES.get(status.lower()),
        ends,
        parse_time(cells.get("trial_ends_at", ""), "trial_ends_at"),
        parse_message(cells.get("blocked_message", "")),
        parse_zone(cells.get("time_zone", "")),
        line.given,
    )


def parse_time(cell: str, column: str) -> datetime | None:
    """An instant; a date is its beginning, a time without an offset is in UTC. Raises `CellError`."""
    if not cell:
        return None
    try:
        return parse_written_instant(cell)
    except ValueError as exc:
        message = f"The {column} {shown(cell)} {exc}, or a date such as 2030-01-31."
        raise CellError("invalid_instant", message) from None


def parse_message(cell: str) -> str | None:
    """A blocked message. Raises `CellError`."""
    if not cell:
        return None
    if len(cell) > LONGEST_MESSAGE:
        message = f"The blocked_message has more than {LONGEST_MESSAGE:,} characters."
        raise CellError("invalid_blocked_message", message)
    try:
        return parse_spoken(cell)
    except BadTextError as exc:
        message = f"The blocked_message {exc}"
        raise CellError("invalid_blocked_message", message) from None


def parse_zone(cell: str) -> str | None:
    """The name of a time zone. Raises `CellError`."""
    if not cell:
        return None
    try:
        return parse_time_zone(cell)
    except BadTextError as exc:
        raise CellError("invalid_time_zone", f"The time_zone {exc}") from None
