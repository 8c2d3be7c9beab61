"""`callgate policies …`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import typer
from rich.console import Console
from rich.table import Table

from service.access.policies.plugins import PolicyChoice, load_policies
from service.cli.lazy import LazyCommand, LazyGroup
from service.cli.policy_kit.listing import (
    UNKNOWN_CHOICES,
    ListedPolicy,
    list_policies,
    read_choices,
)
from service.cli.running import print_json, settings_for


class PolicyCommands(LazyGroup):
    """What helps to write, choose and judge policies."""

    lazily: ClassVar[Mapping[str, LazyCommand]] = {
        "new": LazyCommand(
            "service.cli.policy_kit.commands",
            "Create the project of a new policy, with tests that pass.",
            "new",
        ),
        "test": LazyCommand(
            "service.cli.policy_kit.commands",
            "Decide the cases of a file by the chain, and compare.",
            "decide_cases",
        ),
        "set": LazyCommand(
            "service.cli.policy_kit.choosing",
            "Choose how a policy is asked, for all organizations or for one; what is not given stays.",
            "set_policy",
        ),
        "shadow": LazyCommand(
            "service.cli.policy_kit.choosing",
            "Report what a policy in shadow would have done, with the latest calls behind it.",
            "report",
        ),
        "replay": LazyCommand(
            "service.cli.policy_kit.replay",
            "Decide the recorded calls of the last days again with a changed chain, and list the "
            "differences.",
            "replay",
        ),
    }


app = typer.Typer(add_completion=False)
group = typer.Typer(cls=PolicyCommands, add_completion=False)
app.add_typer(group, name="policies")


@group.callback(invoke_without_command=True)
def policies(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the access policies in the order of the chain, then the observers; or help to write a policy.

    Modes and orders are those for all organizations, as the database has them.
    Ends with 1 when a plugin could not be loaded.
    """
    if context.invoked_subcommand is not None:
        return
    settings = settings_for()
    loaded = load_policies(PolicyChoice.of(settings))
    choices = read_choices(settings)
    listed = list_policies(loaded.policies, choices)
    if as_json:
        names = ("name", "order", "plugin", "version", "on_failure")
        print_json(
            [
                {name: getattr(one.policy, name) for name in names}
                | {"mode": one.mode, "share": one.share}
                for one in listed
            ]
        )
    else:
        show_policies(listed)
        for one in loaded.observers:
            typer.echo(f"observer: {one.name} ({one.plugin} {one.version})")
    if choices is None:
        typer.echo(UNKNOWN_CHOICES, err=True)
    for fault in loaded.problems:
        typer.echo(f"not loaded: {fault.plugin} {fault.version}: {fault.message}", err=True)
    if loaded.problems:
        raise typer.Exit(1)


def show_policies(found: Sequence[ListedPolicy]) -> None:
    """A line a policy."""
    table = Table("order", "policy", "mode", "plugin", "version", "on failure", box=None)
    for one in found:
        policy = one.policy
        table.add_row(
            str(policy.order),
            policy.name,
            one.choice,
            policy.plugin,
            policy.version,
            policy.on_failure,
        )
    Console().print(table)
