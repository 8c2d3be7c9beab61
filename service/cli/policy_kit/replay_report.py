"""The report of a replay: as text, and as JSON."""

import sys
from collections.abc import Mapping
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.domain.policies.replays import ComparedDecision, Obstacle, ReplaySums
from service.store.policies.recorded_decisions import DecidedSpan

MOST_ROWS = 200
WIDTH = 200
"""Columns of a table that goes to a file or a pipe."""

Names = Mapping[str, str]
"""Of organizations, by their ids."""
WORDS = {"allow": "allowed", "deny": "denied"}


def report_values(span: DecidedSpan, sums: ReplaySums, names: Names) -> dict[str, Any]:
    """The report as JSON has it."""
    return {
        "since": span.since,
        "until": span.until,
        "calls": sums.calls,
        "same": sums.same,
        "different": sums.different,
        "would_be_denied": sums.changes["allow", "deny"],
        "would_be_allowed": sums.changes["deny", "allow"],
        "organizations": len(sums.organizations),
        "differences": [
            {
                "organization_id": kind.organization_id,
                "name": names.get(str(kind.organization_id)),
                "before": kind.before._asdict(),
                "after": kind.after._asdict(),
                "calls": count.calls,
                "examples": count.examples,
            }
            for kind, count in sums.list_differences()
        ],
        "unlisted": sums.unlisted,
        "not_replayed": [
            {**obstacle._asdict(), "calls": calls, "meaning": describe_obstacle(obstacle)}
            for obstacle, calls in sums.obstacles.most_common()
        ],
        "undecided": sums.undecided,
        "is_cut": sums.is_cut,
    }


def print_report(span: DecidedSpan, sums: ReplaySums, names: Names) -> None:
    """The sums in a line, then the differences, then what could not be replayed."""
    since, until = f"{span.since:%Y-%m-%d %H:%M}", f"{span.until:%Y-%m-%d %H:%M}"
    compared = sums.same + sums.different
    typer.echo(
        f"{sums.different:,} of {compared:,} calls from {since} to {until} UTC would have been decided "
        f"otherwise, of {len(sums.organizations):,} organizations: "
        f"{sums.changes['allow', 'deny']:,} denied instead of allowed, "
        f"{sums.changes['deny', 'allow']:,} allowed instead of denied."
    )
    if sums.differences:
        Console(width=None if sys.stdout.isatty() else WIDTH).print(table_of(sums, names))
    for obstacle, calls in sums.obstacles.most_common():
        typer.echo(f"Not replayed: {calls:,} calls: {describe_obstacle(obstacle)}")
    if sums.undecided:
        typer.echo(f"Not decided by policies: {sums.undecided:,} calls, as of unknown numbers.")
    if sums.is_cut:
        typer.echo(f"Only the newest {sums.calls:,} calls were replayed: see --most.")


def table_of(sums: ReplaySums, names: Names) -> Table:
    """A row a kind of difference."""
    table = Table("organization", "calls", "decided then", "would be", "such as", box=None)
    table.columns[1].justify = "right"
    listed = list(sums.list_differences())
    for kind, count in listed[:MOST_ROWS]:
        name = names.get(str(kind.organization_id), str(kind.organization_id))
        before, after = describe_outcome(kind.before), describe_outcome(kind.after)
        table.add_row(Text(name), f"{count.calls:,}", before, after, Text(count.examples[0]))
    if (more := len(listed) - MOST_ROWS) > 0 or sums.unlisted:
        table.add_row(f"… and {max(more, 0):,} more rows, {sums.unlisted:,} calls in none")
    return table


def describe_outcome(outcome: ComparedDecision) -> str:
    by = f" ({outcome.policy})" if outcome.policy else ""
    return f"{WORDS[outcome.effect]}, {outcome.reason}{by}"


def describe_obstacle(obstacle: Obstacle) -> str:
    """Why calls could not be replayed, as a sentence."""
    policy, details = obstacle.policy, obstacle.details
    return {
        "facts_not_stored": f"{policy} needs facts that are not stored ({details}).",
        "answer_not_stored": f"{policy} does not only compute, and was not asked then: name it with "
        "--ask to ask it now.",
        "failed_then": f"{policy} failed then ({details}), and may not fail again.",
        "stale_facts_then": "decided by the last known state, because PostgreSQL did not answer.",
        "facts_changing": "the facts changed within the seconds before the decision.",
        "history_deleted": "the facts of that time are not kept any more.",
        "organization_deleted": "their organizations were deleted.",
    }[obstacle.kind]
