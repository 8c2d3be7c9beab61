"""A connection pooler in transaction mode: recognized at the start, and of use with a direct address."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.sandbox.server import SandboxVapi
from service.serve.database import Database, StartError, prepare_database
from service.serve.replica import Start
from service.store.pool import create_pool
from service.store.pooling import is_pooled
from service.store.roles import app_dsn
from tests.support.database import TEMPLATE, fresh_database
from tests.support.pgbouncer import needs_pgbouncer, pooled
from tests.support.pgpool import balanced, needs_pgpool
from tests.support.service import Replica, eventually, replica
from tests.support.settings import settings_for

pytestmark = needs_pgbouncer

CALLS = 40
PLAN = {"code": "pro", "status": "active"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that the pooler's user can read."""
    for place in (tmp_path, *tmp_path.parents):
        place.chmod(0o755)
        if place.name.startswith("pytest-of-"):
            return tmp_path
    return tmp_path


@pytest.fixture
async def pooler(dsn: str, folder: Path) -> AsyncIterator[str]:
    async with pooled(dsn, folder) as found:
        yield found


async def refusal_of(database: Database) -> str:
    with pytest.raises(StartError) as found:
        await prepare_database(database, "real")
    return str(found.value)


async def test_it_is_recognized_at_the_start(
    dsn: str, pooler: str, folder: Path, postgres_server: str
) -> None:
    refusal = await refusal_of(Database(pooler, "", embedded=False))
    assert refusal.startswith("DATABASE_URL leads to a connection pooler in transaction mode")
    assert "Set CALLGATE_DIRECT_DATABASE_URL to PostgreSQL's own address" in refusal
    refusal = await refusal_of(Database(pooler, "", embedded=False, direct=pooler))
    assert refusal.startswith("CALLGATE_DIRECT_DATABASE_URL leads to a connection pooler")
    refusal = await refusal_of(Database(pooler, pooler, embedded=False, direct=dsn))
    assert refusal.startswith("CALLGATE_MIGRATION_DATABASE_URL leads to a connection pooler")
    async with fresh_database(postgres_server, TEMPLATE) as other:
        refusal = await refusal_of(Database(pooler, "", embedded=False, direct=other))
    assert "lead to different databases" in refusal
    await prepare_database(Database(pooler, "", embedded=False, direct=dsn), "real")
    await prepare_database(Database(dsn, "", embedded=False), "real")
    for size, mode, expected in ((1, "transaction", True), (5, "session", False)):
        async with pooled(dsn, folder, size=size, mode=mode) as one:
            assert await is_pooled(one) is expected


async def test_one_in_session_mode_that_refuses_our_time_outs_is_used_without_them(
    dsn: str, folder: Path
) -> None:
    async with pooled(dsn, folder, size=5, mode="session") as address:
        pool = await create_pool(address, 3)
        for _ in range(2):
            assert await pool.fetchval("SHOW lock_timeout") == "0"
        await pool.close()


async def test_with_a_direct_address_everything_works(
    dsn: str, pooler: str, vapi: SandboxVapi, folder: Path
) -> None:
    settings = settings_for(folder / "replica", vapi.base_url)
    async with replica(settings, pooler, start=Start(direct=app_dsn(dsn))) as callgate:
        blocked, paying = (str(vapi.add_number(provider="vapi")["id"]) for _ in range(2))
        await callgate.add_number(await callgate.add_organization("Blocked"), blocked)
        owner = await callgate.add_organization("Paying")
        await callgate.add_number(owner, paying)
        assert (await callgate.post(vapi.live_call(paying))).status == 403
        assert (await callgate.api("PUT", f"/organizations/{owner}/plan", PLAN)).status == 200
        messages = [vapi.live_call((blocked, paying)[place % 2]) for place in range(CALLS)]
        answers = await asyncio.gather(*(callgate.post(message) for message in messages))
        assert [answer.status for answer in answers] == [403, 200] * (CALLS // 2)
        ids = [str(message["message"]["call"]["id"]) for message in messages]
        await until_hung_up(callgate, ids[::2])
        assert (await callgate.api("GET", "/calls?limit=100")).status == 200
        await until_ready(callgate)


async def until_hung_up(callgate: Replica, ids: list[str]) -> None:
    """The jobs confirm every hang-up."""

    async def confirmed() -> bool:
        calls = [await callgate.call(one) for one in ids]
        return all(call and call["hangup"]["state"] == "confirmed" for call in calls)

    await eventually(confirmed, 30)


async def until_ready(callgate: Replica) -> None:
    async def ready() -> Any:
        async with callgate.session.get(f"{callgate.url}/readyz") as response:
            found = await response.json()
        return found["status"] == "ready"

    await eventually(ready, 15)


async def test_a_command_says_what_the_pooler_lacks(pooler: str, tmp_path: Path) -> None:
    given = {"DATABASE_URL": pooler, "CALLGATE_DATA_DIR": str(tmp_path / "data")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "service", "token", "create", "desk"),
        env={**os.environ, **given},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    assert said.decode().splitlines()[-1].startswith("DATABASE_URL leads to a connection pooler")


@needs_pgpool
async def test_one_that_sends_reads_elsewhere_is_refused(dsn: str, folder: Path) -> None:
    async with balanced(dsn, folder) as address:
        for direct in ("", dsn):
            refusal = await refusal_of(Database(address, "", embedded=False, direct=direct))
            assert refusal.startswith("DATABASE_URL leads to a pooler that sends reads to other")
    async with balanced(dsn, folder, balances="off") as address:
        await prepare_database(Database(address, "", embedded=False), "real")
