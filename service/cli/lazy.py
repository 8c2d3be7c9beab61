"""A group of commands whose modules are imported when they are used: a command starts faster."""

import gc
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class LazyCommand(NamedTuple):
    """A command: the module that has it as `function`, or in its `app`; `help` is what a list says."""

    module: str
    help: str
    function: str = ""

    def load(self, name: str) -> Any:
        """The command itself. What is imported stays, so that no collection looks for garbage there."""
        gc.disable()
        module = import_module(self.module)
        gc.freeze()
        gc.enable()
        app = typer.Typer(add_completion=False) if self.function else module.app
        if self.function:
            app.command(name)(getattr(module, self.function))
        found: Any = typer.main.get_command(app)
        if isinstance(found, TyperGroup) and name in found.list_commands(None):  # type: ignore[arg-type]
            found = found.get_command(None, name)  # type: ignore[arg-type]
        found.name = name
        return found


class LazyGroup(TyperGroup):
    """Imports a command for what is done with it, and none for its help."""

    lazily: ClassVar[Mapping[str, LazyCommand]] = {}

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """The names, in the order of the help."""
        return list(self.lazily)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """The command, or None."""
        found = self.lazily.get(cmd_name)
        return None if found is None else found.load(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help as that of a group with what is known of each command."""
        self.listed().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """The names that a shell completes."""
        return self.listed().shell_complete(ctx, incomplete)

    def listed(self) -> TyperGroup:
        """This group, with commands that have a name and a help, and do nothing."""
        listed: dict[str, Any] = {
            name: TyperCommand(name, help=one.help) for name, one in self.lazily.items()
        }
        return TyperGroup(name=self.name, help=self.help, params=self.params, commands=listed)
