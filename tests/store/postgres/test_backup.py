"""The operators' commands for backup and restore, as deploy/README.md writes them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from service.store.postgres.binaries import find_binaries
from service.store.schema import check_schema, migrate
from tests.support.documents import OPERATORS, commands, section

Maker = Callable[..., Any]

INSERT = "INSERT INTO callgate.organizations (name, external_id) VALUES ($1, $1)"
NAMES = "SELECT array_agg(name::text ORDER BY name) FROM callgate.organizations"


def run(command: str, folder: Path, *, works: bool = True, **environment: str) -> None:
    """Run a command of the document in a folder; it must succeed, or fail."""
    path = os.pathsep.join(
        (str(find_binaries()), str(Path(sys.executable).parent), os.environ["PATH"])
    )
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env={**os.environ, **environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode == 0) == works, done.stderr


async def add(dsn: str, name: str) -> None:
    """An organization, as data to back up."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(INSERT, name)
    await connection.close()


async def names(dsn: str) -> list[str]:
    """The existing organizations, in a schema that fits this code."""
    connection = await asyncpg.connect(dsn)
    await check_schema(connection)
    found: list[str] = await connection.fetchval(NAMES)
    await connection.close()
    return found


async def test_a_dump_of_a_server_of_ones_own_comes_back(dsn: str, tmp_path: Path) -> None:
    dump, restore, *_ = commands(section(OPERATORS, "Backup and restore"))
    await add(dsn, "Kept")
    await asyncio.to_thread(run, dump, tmp_path, DATABASE_URL=dsn)
    await add(dsn, "Added later")
    await asyncio.to_thread(run, restore, tmp_path, DATABASE_URL=dsn)
    assert await names(dsn) == ["Kept"]


@pytest.mark.parametrize("harm", ["cut", "missing"])
async def test_a_dump_that_cannot_be_read_changes_nothing(
    dsn: str, tmp_path: Path, harm: str
) -> None:
    dump, restore, *_ = commands(section(OPERATORS, "Backup and restore"))
    await add(dsn, "Kept")
    await asyncio.to_thread(run, dump, tmp_path, DATABASE_URL=dsn)
    await add(dsn, "Added later")
    file = tmp_path / "callgate.dump"
    content = file.read_bytes()
    file.unlink()
    if harm == "cut":
        file.write_bytes(content[: len(content) * 9 // 10])
    await asyncio.to_thread(run, restore, tmp_path, works=False, DATABASE_URL=dsn)
    assert await names(dsn) == ["Added later", "Kept"]


def test_a_dump_of_the_embedded_server_comes_back_in_another(server: Maker, tmp_path: Path) -> None:
    *_, dump, restore = commands(section(OPERATORS, "Backup and restore"))
    first, second = tmp_path / "first", tmp_path / "second"
    old = server(first)
    dsn = old.start()
    asyncio.run(migrate(dsn))
    asyncio.run(add(dsn, "Kept"))
    run(dump, tmp_path, CALLGATE_DATA_DIR=str(first))
    old.stop()
    dsn = server(second).start()
    asyncio.run(migrate(dsn))
    run(restore, tmp_path, CALLGATE_DATA_DIR=str(second))
    assert asyncio.run(names(dsn)) == ["Kept"]
