"""Embedded servers for one test, stopped when it ends."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from service.store.postgres.server import EmbeddedPostgres

ROOT = Path(__file__).parents[2]

Start = Callable[..., EmbeddedPostgres]
StartOwner = Callable[..., "Owner"]


class Owner:
    """Another process that owns a data folder."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "tests.support.postgres_owner", *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().split()
        if not line:
            raise RuntimeError(self.process.communicate()[1])
        self.dsn, self.who = line

    def end(self) -> None:
        with self.process:
            self.process.communicate(timeout=20)


@pytest.fixture
def server() -> Iterator[Start]:
    """Creates embedded servers; those still running at the end are stopped.

    They do not sync to disk unless `options` are given: no test simulates a power failure.
    """
    with ExitStack() as stack:

        def make(data_dir: Path, **given: Any) -> EmbeddedPostgres:
            given.setdefault("options", {"fsync": "off"})
            made = EmbeddedPostgres(data_dir, **given)
            stack.callback(made.stop)
            return made

        yield make


@pytest.fixture
def owner() -> Iterator[StartOwner]:
    """Starts processes that own a data folder."""
    with ExitStack() as stack:

        def start(*arguments: object) -> Owner:
            made = Owner(*(str(argument) for argument in arguments))
            stack.callback(made.end)
            return made

        yield start


@pytest.fixture
def ask() -> Callable[..., Any]:
    """One statement on a connection of its own; returns the first value."""

    async def run(dsn: str, statement: str, *arguments: object) -> Any:
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            await connection.close()

    return lambda *given: asyncio.run(run(*given))
