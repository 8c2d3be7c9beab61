"""A group of commands whose modules are imported when they are used: a command starts faster."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup


class LazyGroup(TyperGroup):
    """Finds each command in `modules`: the module that has the command in its `app`."""

    modules: ClassVar[Mapping[str, str]] = {}

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """The names, in the order of the help."""
        return list(self.modules)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or None."""
        if cmd_name not in self.modules:
            return None
        found: Any = typer.main.get_command(import_module(self.modules[cmd_name]).app)
        if isinstance(found, TyperGroup) and cmd_name in found.list_commands(ctx):
            found = found.get_command(ctx, cmd_name)
        found.name = cmd_name
        return found
