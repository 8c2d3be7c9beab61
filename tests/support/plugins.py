"""Third-party plugins: a distribution of one module, written as pip would install it."""

from pathlib import Path

REGISTER = """
from policies import hookimpl


@hookimpl
def register_access_policies():
    return [Policy()]
"""


def write_plugin(
    folder: Path, name: str, module: str, version: str = "1.0", attribute: str = ""
) -> None:
    """Put a distribution into a folder that is on the path: its module and its entry point, which
    names the module or an attribute of it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(module)
    metadata = folder / f"{name}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    value = f"{name}:{attribute}" if attribute else name
    (metadata / "entry_points.txt").write_text(f"[callgate]\n{name} = {value}\n")


def observer_module(observe: str, before: str = "") -> str:
    """A module that only observes calls; its hook has this body."""
    return f"""
import threading, time
from policies import hookimpl

{before}

@hookimpl
def on_call_event(event):
    {observe}
"""


def policy_module(name: str, evaluate: str, attributes: str = "pure = True") -> str:
    """A module with one policy, whose `evaluate` has this body."""
    return f"""
import asyncio, time
from policies import abstain, allow, deny


class Policy:
    name = {name!r}
    order = 50
    {attributes}

    def evaluate(self, request):
        {evaluate}

{REGISTER}"""
