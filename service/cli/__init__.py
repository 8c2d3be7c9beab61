"""The command line: `callgate …`, one module per noun. This file only assembles the commands."""

import sys
from collections.abc import Mapping
from importlib import import_module, metadata
from typing import Annotated, ClassVar

import typer

from service.cli.lazy import LazyGroup


class Commands(LazyGroup):
    """Every command and the module that it lives in."""

    modules: ClassVar[Mapping[str, str]] = {
        "serve": "service.cli.serve",
        "migrate": "service.cli.migrate",
        "doctor": "service.cli.doctor",
        "reconcile": "service.cli.reconcile",
        "secrets": "service.cli.secrets",
        "calls": "service.cli.calls",
        "numbers": "service.cli.phone_numbers",
        "organizations": "service.cli.organizations",
        "usage": "service.cli.usage",
        "policies": "service.cli.policies",
        "explain": "service.cli.explain",
        "token": "service.cli.tokens",
        "admin": "service.cli.people",
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
        typer.echo(f"callgate {metadata.version('callgate')}")
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
