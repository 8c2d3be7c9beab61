"""Real PostgreSQL for every test: one embedded server a session, a fresh database a test."""

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from service.store.embedded import EmbeddedPostgres
from service.store.pool import Pool, create_pool
from service.store.schema import migrate

TEMPLATE = "callgate_template"


def dsn_for(admin_dsn: str, database: str) -> str:
    """The DSN of another database on the same server."""
    return admin_dsn.replace("/callgate?", f"/{database}?")


async def execute(dsn: str, statement: str) -> None:
    """Run one statement on a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A server for the session, with a migrated template database; yields the admin DSN."""
    folder = Path(tempfile.mkdtemp(prefix="callgate-tests-"))
    server = EmbeddedPostgres(
        folder, options={"fsync": "off", "max_connections": "200", "autovacuum": "off"}
    )
    dsn = server.start()
    try:
        asyncio.run(execute(dsn, f"CREATE DATABASE {TEMPLATE}"))
        asyncio.run(migrate(dsn_for(dsn, TEMPLATE)))
        yield dsn
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def dsn(postgres_server: str) -> AsyncIterator[str]:
    """A fresh, migrated database."""
    name = f"t_{uuid.uuid4().hex}"
    await execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield dsn_for(postgres_server, name)
    await execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    """A pool on a fresh database."""
    opened = await create_pool(dsn, 5)
    yield opened
    opened.terminate()
