"""`callgate usage`: what organizations used in a period, as a table or as JSON; and the rebuild."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.admin.stored_cases import StoredCases
from service.cli.running import ACTOR, print_json, run, settings_for
from service.domain.instants import parse_written_instant
from service.domain.usage.periods import BadUsagePeriodError, Period, check_period, zone_of
from service.domain.usage.sums import NOTHING, OrganizationUsage, UsageSums
from service.domain.wording.usage import format_cost, format_minutes

WIDTH = 160
"""Columns of a table that goes to a file or a pipe."""

app = typer.Typer(help="Usage of organizations.", add_completion=False, invoke_without_command=True)


@app.callback()
def usage(
    context: typer.Context,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="DATE", help="The first day, or an instant; in UTC."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--to", metavar="DATE", help="The day or instant at which the period ends."),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List what organizations used, the most minutes first; without a period, this month in UTC.

    The end is not part of the period: --from 2026-01-01 --to 2026-02-01 is January.
    """
    if context.invoked_subcommand is not None:
        return
    first, last = read_day(since, "--from"), read_day(until, "--to")

    async def work(cases: StoredCases) -> tuple[Period, list[OrganizationUsage]]:
        period = await cases.usage.choose(first, last, zone_of(None))
        check_period(period)
        return period, await cases.usage.page(period)

    try:
        period, found = run(settings_for(), work)
    except BadUsagePeriodError:
        raise typer.BadParameter("must be later than --from", param_hint="--to") from None
    if as_json:
        print_json([values_of(one) for one in found])
    else:
        show(period, found)


@app.command()
def rebuild() -> None:
    """Sum up again all calls that are kept, and put wrong sums right. Safe at any time."""
    done = run(settings_for(), lambda cases: cases.usage.rebuild(ACTOR))
    typer.echo(
        f"Summed up {done.calls} calls of {done.organizations} organizations. "
        f"Hours with wrong sums, now corrected: {done.corrected}."
    )


def read_day(text: str | None, name: str) -> datetime | None:
    """A day as its beginning in UTC, or an instant. Raises `typer.BadParameter`."""
    if text is None:
        return None
    try:
        return parse_written_instant(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r}: write a day such as 2026-01-31, or an instant such as 2026-01-31T12:00:00Z",
            param_hint=name,
        ) from None


def values_of(one: OrganizationUsage) -> dict[str, Any]:
    """An organization's usage as the API has it."""
    return {
        "organization_id": one.organization_id,
        "name": one.name,
        "from": in_utc(one.period.since),
        "to": in_utc(one.period.until),
        "calls": one.sums.calls,
        "blocked_calls": one.sums.blocked_calls,
        "seconds": float(one.sums.seconds),
        "cost": float(one.sums.cost),
        "live_calls": one.live_calls,
    }


def in_utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def show(period: Period, found: Sequence[OrganizationUsage]) -> None:
    """The table, with the totals in its last row."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    table = Table("organization", box=None)
    for name in ("calls", "blocked", "minutes", "cost", "live"):
        table.add_column(name, justify="right")
    total, live = NOTHING, 0
    for one in found:
        add_row(table, one.name or str(one.organization_id), one.sums, one.live_calls)
        total, live = total + one.sums, live + one.live_calls
    if len(found) > 1:
        table.add_section()
        add_row(table, "all", total, live)
    typer.echo(f"From {in_utc(period.since)} to before {in_utc(period.until)}:")
    if found:
        console.print(table)
    else:
        typer.echo("There are no organizations.")


def add_row(table: Table, name: str, sums: UsageSums, live: int) -> None:
    table.add_row(
        Text(name),
        f"{sums.calls:,}",
        f"{sums.blocked_calls:,}",
        format_minutes(sums.seconds),
        format_cost(sums.cost),
        str(live),
    )
