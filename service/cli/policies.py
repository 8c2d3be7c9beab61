"""`callgate policies` and `callgate explain`."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from service.access.policies.plugins import PolicyChoice, load_policies
from service.access.policies.registration import RegisteredPolicy
from service.cli.running import print_json, run, settings_for
from service.domain.decisions import Decision
from service.domain.instants import parse_instant
from service.domain.organizations import Organization
from service.domain.texts import is_all
from service.store.clock import get_now
from service.store.organizations import organizations
from service.store.pool import Pool

if TYPE_CHECKING:
    from service.admin.use_cases import UseCases


app = typer.Typer(add_completion=False)

DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
LOCAL = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"


@app.command()
def policies(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the access policies in the order of the chain, then the observers of calls.

    Ends with 1 when a plugin could not be loaded.
    """
    loaded = load_policies(PolicyChoice.of(settings_for()))
    if as_json:
        names = ("name", "order", "plugin", "version", "on_failure")
        print_json([{name: getattr(one, name) for name in names} for one in loaded.policies])
    else:
        show_policies(loaded.policies)
        for one in loaded.observers:
            typer.echo(f"observer: {one.name} ({one.plugin} {one.version})")
    for fault in loaded.problems:
        typer.echo(f"not loaded: {fault.plugin} {fault.version}: {fault.message}", err=True)
    if loaded.problems:
        raise typer.Exit(1)


def show_policies(found: Sequence[RegisteredPolicy]) -> None:
    """A line a policy."""
    table = Table("order", "policy", "plugin", "version", "on failure", box=None)
    for policy in found:
        table.add_row(
            str(policy.order), policy.name, policy.plugin, policy.version, policy.on_failure
        )
    Console().print(table)


def time_of(text: str) -> datetime:
    """A date, a time in UTC, or an instant with an offset. Raises `typer.BadParameter`."""
    if is_all(DATE, text):
        text += "T00:00:00Z"
    elif is_all(LOCAL, text):
        text += "Z"
    try:
        return parse_instant(text)
    except ValueError as exc:
        raise typer.BadParameter(f"{text!r} {exc}.") from None


@app.command()
def explain(
    organization: Annotated[str, typer.Argument(help="Its id or external id.")],
    at: Annotated[
        datetime | None,
        typer.Option(
            parser=time_of, metavar="INSTANT", help="Another time, such as 2026-12-01, in UTC."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explain whether an organization has access, and why."""

    async def work(cases: "UseCases") -> tuple[Organization, Decision, datetime] | None:
        pool = cases.core.pool
        found = await find(pool, organization)
        if found is None:
            return None
        time = at or await get_now(pool)
        then = await cases.organizations.at_time(found, at)
        return found, await cases.rooms.preview.decide(then, at=time), time

    explained = run(settings_for(), work)
    if explained is None:
        typer.echo(f"There is no organization {organization!r}.", err=True)
        raise typer.Exit(1)
    show(*explained, as_json=as_json)


async def find(pool: Pool, name: str) -> Organization | None:
    """The organization with this id or external id."""
    try:
        return await organizations.find(pool, UUID(name))
    except ValueError:
        return await organizations.find_by_external_id(pool, name)


def show(organization: Organization, decision: Decision, time: datetime, *, as_json: bool) -> None:
    """The decision in a line, then each policy's answer; or the same as JSON."""
    if as_json:
        print_json(
            {
                "organization_id": organization.id,
                "name": organization.name,
                "allowed": decision.allowed,
                "reason": decision.reason,
                "policy": decision.determined_by,
                "at": time,
                "trace": [asdict(entry) for entry in decision.trace],
            }
        )
        return
    effect = "allowed" if decision.allowed else "denied"
    by = f" by {decision.determined_by}" if decision.determined_by else ""
    typer.echo(f"{organization.name}: {effect}, {decision.reason}{by} (at {time.isoformat()})")
    table = Table("policy", "verdict", "reason", box=None)
    for entry in decision.trace:
        table.add_row(entry.policy, entry.effect, entry.reason or "")
    Console().print(table)
