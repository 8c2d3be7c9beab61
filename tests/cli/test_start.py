"""A command that needs no database starts without the libraries of the service."""

import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "alembic", "pgqueuer", "service.web", "sqlalchemy")
LOADED = "import sys, {module}; print(sorted(set(sys.modules) & set({heavy!r})))"


@pytest.mark.parametrize("module", ["policies", "secrets", "people", "tokens"])
def test_the_module_of_a_light_command_loads_no_heavy_library(module: str) -> None:
    code = LOADED.format(module=f"service.cli.{module}", heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_only_a_migration_loads_alembic() -> None:
    """Every command with a database, and every worker, would wait for it."""
    code = LOADED.format(module="service.cli.serve", heavy=("alembic", "sqlalchemy"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
