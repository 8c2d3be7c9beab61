"""`callgate policies …`."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from policies.host.registration import RegisteredPolicy
from service.access.policies.plugins import PolicyChoice, load_policies
from service.cli.policy_kit import choosing, commands
from service.cli.policy_kit.replay import replay
from service.cli.running import print_json, settings_for

app = typer.Typer(add_completion=False)


group = typer.Typer(add_completion=False)
app.add_typer(group, name="policies")
group.command("new")(commands.new)
group.command("test")(commands.test)
group.command("set")(choosing.set_policy)
group.command("shadow")(choosing.report)
group.command("replay")(replay)


@group.callback(invoke_without_command=True)
def policies(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the access policies in the order of the chain, then the observers; or help to write a policy.

    Ends with 1 when a plugin could not be loaded.
    """
    if context.invoked_subcommand is not None:
        return
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
