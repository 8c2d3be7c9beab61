"""Real PostgreSQL for every test: one embedded server for each worker, a fresh database a test."""

import asyncio
import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from service.store.pool import Pool, create_pool
from service.store.postgres.data_dir import LOCK_FILE
from service.store.postgres.server import EmbeddedPostgres
from service.store.roles import app_dsn, create_app_role
from service.store.schema import migrate

TEMPLATE = "callgate_template"

# A test server may lose its data with the machine; many pools are open at once.
OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "autovacuum": "off",
    "max_wal_size": "96MB",
}

MEMORY = Path("/dev/shm")
ROOM = 768 * 1024 * 1024
"""Free bytes that the server of one worker may want: WAL, the template, a test's databases."""


def choose_place() -> Path | None:
    """Memory where it is large enough, else the usual folder for temporary files.

    A fresh database is 600 new files. On a disk's file system making them costs six times the CPU.
    """
    try:
        room = shutil.disk_usage(MEMORY).free
    except OSError:
        return None
    return MEMORY if room >= ROOM * int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) else None


def remove_leftovers() -> None:
    """Free the memory of servers whose tests were killed. A folder is locked while its owner lives."""
    for folder in MEMORY.glob("callgate-tests-*"):
        with suppress(OSError), (folder / LOCK_FILE).open() as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


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


@asynccontextmanager
async def fresh_database(admin_dsn: str, template: str) -> AsyncIterator[str]:
    """A database of its own, dropped afterwards even with open connections."""
    name = f"t_{uuid.uuid4().hex}"
    # Copying the files takes two thirds of the CPU of writing each of their pages into the WAL.
    await execute(admin_dsn, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield dsn_for(admin_dsn, name)
    finally:
        await execute(admin_dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A server for this worker, with a migrated template database; yields the admin DSN."""
    remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix="callgate-tests-", dir=choose_place()))
    server = EmbeddedPostgres(folder, options=OPTIONS)
    dsn = server.start()
    try:
        asyncio.run(execute(dsn, f"CREATE DATABASE {TEMPLATE}"))
        asyncio.run(migrate(dsn_for(dsn, TEMPLATE)))
        asyncio.run(create_app_role(dsn_for(dsn, TEMPLATE)))
        yield dsn
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def dsn(postgres_server: str) -> AsyncIterator[str]:
    """A fresh, migrated database."""
    async with fresh_database(postgres_server, TEMPLATE) as made:
        yield made


@pytest.fixture
async def empty_dsn(postgres_server: str) -> AsyncIterator[str]:
    """A fresh database without our schema."""
    async with fresh_database(postgres_server, "template0") as made:
        yield made


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    """A pool on a fresh database."""
    opened = await create_pool(dsn, 5)
    yield opened
    opened.terminate()


@pytest.fixture
async def app_pool(dsn: str) -> AsyncIterator[Pool]:
    """A pool on a fresh database as the role of the service."""
    opened = await create_pool(app_dsn(dsn), 5)
    yield opened
    opened.terminate()
