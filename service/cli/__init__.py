"""The command line: `callgate …`, one module per noun. This file only assembles the commands."""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, ClassVar

import typer

from service.cli.lazy import LazyCommand, LazyGroup


class Commands(LazyGroup):
    """Every command, the module that it lives in, and what the list of commands says about it."""

    lazily: ClassVar[Mapping[str, LazyCommand]] = {
        "serve": LazyCommand("service.cli.serve", "Run the service."),
        "migrate": LazyCommand(
            "service.cli.migrate", "Migrate the database to the schema of this version."
        ),
        "doctor": LazyCommand(
            "service.cli.doctor",
            "Examine settings, database, key, webhook, numbers and hang-ups; change nothing.",
        ),
        "reconcile": LazyCommand(
            "service.cli.reconcile", "Compare all numbers with Vapi and repair drift."
        ),
        "secrets": LazyCommand(
            "service.cli.secrets", "Show which webhook secrets numbers carry and Vapi uses."
        ),
        "calls": LazyCommand("service.cli.calls", "Calls."),
        "numbers": LazyCommand("service.cli.phone_numbers", "Phone numbers."),
        "organizations": LazyCommand("service.cli.organizations", "Organizations."),
        "usage": LazyCommand("service.cli.usage", "Usage of organizations."),
        "policies": LazyCommand(
            "service.cli.policies",
            "List the access policies in the order of the chain, then the observers; or help to "
            "write a policy.",
        ),
        "explain": LazyCommand(
            "service.cli.explain",
            "Explain whether an organization has access, and why; or why a call was decided as it was.",
        ),
        "token": LazyCommand("service.cli.tokens", "API tokens."),
        "admin": LazyCommand("service.cli.people", "Admins of the panel."),
    }


app = typer.Typer(
    cls=Commands,
    help="No plan, no call: the access gate for voice assistants on Vapi.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def print_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        typer.echo(f"callgate {import_module('importlib.metadata').version('callgate')}")
        raise typer.Exit


@app.callback()
def callgate(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True),
    ] = False,
) -> None:
    """No plan, no call: the access gate for voice assistants on Vapi."""


def main() -> None:
    """Run a command. An error that an operator can fix is one sentence and ends with 1."""
    try:
        app()
    except Exception as exc:
        sentence = import_module("service.cli.errors").describe(exc)
        if sentence is None:
            raise
        sys.stderr.write(f"{sentence}\n")
        sys.exit(1)
