"""Notices when the import of a plugin replaces parts of Callgate, and puts them back. No I/O.

A function or a class that a plugin exchanges changes the decisions of all others. Only what is exchanged
while the plugin is loaded is found, in Callgate's own modules and in the two that all code relies on.
"""

import builtins
import sys
import time
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import NamedTuple

OURS = ("service", "policies")
RELIED_ON = (builtins, time)
KINDS = (FunctionType, type(len), type, property, classmethod, staticmethod)


class Part(NamedTuple):
    """A function, a class or a method: where it stands, and what it is."""

    owner: ModuleType | type
    name: str
    value: object

    @property
    def place(self) -> str:
        """Its dotted name."""
        owner = self.owner
        module = f"{owner.__module__}." if isinstance(owner, type) else ""
        return f"{module}{owner.__name__}.{self.name}"


def list_parts() -> list[Part]:
    """All that a plugin must not replace, as it is now."""
    return [
        Part(owner, name, value)
        for owner in list_owners()
        for name, value in list(vars(owner).items())
        if isinstance(value, KINDS)
    ]


def list_owners() -> Iterator[ModuleType | type]:
    """The modules, and the classes that they define."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in OURS and isinstance(module, ModuleType):
            yield module
            for value in list(vars(module).values()):
                if isinstance(value, type) and value.__module__ == name:
                    yield value
    yield from RELIED_ON


def put_back(parts: list[Part]) -> list[str]:
    """Put back what was replaced since; returns the names."""
    replaced = [one for one in parts if vars(one.owner).get(one.name) is not one.value]
    for one in replaced:
        setattr(one.owner, one.name, one.value)
    return [one.place for one in replaced]
