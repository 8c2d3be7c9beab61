"""A command starts without the libraries that it does not need: they would be most of what it takes."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from service.cli import Commands
from service.cli.lazy import LazyCommand
from service.cli.policies import PolicyCommands
from service.sandbox.server import SandboxVapi
from tests.support.commands import ROOT, clean_environment
from tests.support.settings import SECRET

HEAVY = (
    "aiohttp", "aiohttp.web", "alembic", "jinja2", "joserfc", "pgqueuer", "prometheus_client",
    "pydantic_settings", "rich.progress", "service.access.build", "service.admin.use_cases",
    "service.web.build", "sqlalchemy", "uvloop",
)  # fmt: skip
SERVICE = ("asyncpg", "pydantic", "rich.traceback", "structlog")
"""What every command with a database needs."""

RUN = """
import sys
from service.cli import main
sys.argv = ["callgate", *{words!r}]
try:
    main()
finally:
    sys.stderr.write("loaded: " + " ".join(name for name in {names!r} if name in sys.modules))
"""
COMMANDS: Mapping[str, set[str]] = {
    "migrate": set(),
    "token create name": set(),
    "admin list": set(),
    "secrets": set(),
    "calls forget +15550100100": set(),
    "usage": set(),
    "policies": set(),
    "policies shadow plan": set(),
    "policies set plan --mode shadow": set(),
    "policies replay": set(),
    "organizations import {file} --dry-run": set(),
    "explain b-1": set(),
    "numbers import --from-vapi": {"aiohttp"},
    "reconcile --dry-run": {"aiohttp"},
    "doctor": {"aiohttp"},
}
"""Each command, and the heavy libraries that it may load."""

PLAIN = ("--version", "--help")


def run(words: list[str], names: tuple[str, ...], **environment: str) -> tuple[set[str], str]:
    """What of `names` a command loads in a process of its own, and all that it says."""
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(words=words, names=names)],
        cwd=ROOT,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said, mark, loaded = done.stderr.partition("loaded: ")
    assert mark, done.stderr
    assert done.returncode in (0, 1, 2)
    return set(loaded.split()), done.stdout + said


@pytest.mark.parametrize(("command", "allowed"), COMMANDS.items(), ids=list(COMMANDS))
async def test_a_command_loads_no_library_that_it_does_not_need(
    command: str, allowed: set[str], dsn: str, vapi: SandboxVapi, tmp_path: Path
) -> None:
    file = tmp_path / "organizations.csv"
    file.write_text("name,external_id\nBakery,b-1\n")
    environment = {
        "DATABASE_URL": dsn,
        "VAPI_API_KEY": vapi.api_key,
        "VAPI_API_URL": vapi.base_url,
        "VAPI_WEBHOOK_SECRET": SECRET,
        "VAPI_WEBHOOK_URL": "http://127.0.0.1:9/api/vapi/webhook",
        "CALLGATE_ALLOW_INSECURE_WEBHOOK_URL": "1",
        "CALLGATE_DATA_DIR": str(tmp_path),
    }
    words = command.format(file=file).split()
    loaded, said = await asyncio.to_thread(run, words, HEAVY, **environment)
    assert loaded <= allowed
    assert "Traceback" not in said
    assert "Usage" not in said.splitlines()[:1]


@pytest.mark.parametrize("command", PLAIN)
def test_the_version_and_the_help_load_nothing_of_the_service(command: str) -> None:
    loaded, said = run(command.split(), (*HEAVY, *SERVICE))
    assert loaded <= {"rich.traceback"}, "typer prints the help with rich"
    assert said


def test_only_a_migration_loads_alembic() -> None:
    """Every worker would wait for it."""
    code = "import sys, service.cli.serve; print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


LAZY = [*Commands.lazily.items(), *PolicyCommands.lazily.items()]


@pytest.mark.parametrize(("name", "command"), LAZY, ids=[name for name, _ in LAZY])
def test_the_list_of_commands_says_what_their_own_help_says(
    name: str, command: LazyCommand
) -> None:
    help_of_it = command.load(name).help
    assert command.help == " ".join(help_of_it.partition("\n\n")[0].split())
