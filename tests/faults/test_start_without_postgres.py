"""A replica that starts while PostgreSQL is away decides from its snapshot, and recovers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from service.access.build import snapshot_file
from service.sandbox.server import SandboxVapi
from service.serve.database import Database, DatabaseAwayError
from service.serve.degraded import find, prepare
from service.serve.replica import Start
from service.settings import Settings
from service.store.organizations.snapshot import DirectorySnapshot, SnapshotFile, name_database
from tests.faults.test_postgres_away import server
from tests.support.own_postgres import Server
from tests.support.process import ServiceProcess
from tests.support.service import Replica, eventually, replica
from tests.support.settings import SECRET, settings_for

__all__ = ("server",)


@pytest.fixture
def settings(vapi: SandboxVapi, tmp_path: Path) -> Settings:
    return settings_for(tmp_path / "replica", vapi.base_url)


@asynccontextmanager
async def degraded(settings: Settings, dsn: str) -> AsyncIterator[Replica]:
    """A replica as the process starts it."""
    database = Database(dsn, "", embedded=False)
    snapshot, late = await prepare(settings, database, "real")
    assert snapshot is not None
    assert late is not None
    start = Start(snapshot=snapshot, loops=(late.background(),))
    async with replica(settings, dsn, start=start) as started:
        yield started


async def answered(started: Replica, message: object, status: int) -> bool:
    return (await started.post(message)).status == status


async def test_a_replica_starts_from_its_snapshot_and_recovers(
    server: Server, vapi: SandboxVapi, settings: Settings
) -> None:
    blocked, trial = (str(vapi.add_number(provider="vapi")["id"]) for _ in range(2))
    async with replica(settings, server.dsn) as first:
        await first.add_number(await first.add_organization("Blocked"), blocked)
        owner = await first.add_organization("Trial")
        await first.add_number(owner, trial)
        ends_at = datetime.now(UTC) + timedelta(seconds=5)
        await first.api("PUT", f"/organizations/{owner}/trial", {"ends_at": ends_at.isoformat()})
    await asyncio.to_thread(server.stop)

    async with degraded(settings, server.dsn) as started:
        assert await answered(started, vapi.live_call(trial), 200)
        message = vapi.live_call(blocked)
        call_id = str(message["message"]["call"]["id"])
        assert await answered(started, message, 403)
        await eventually(lambda: asyncio.sleep(0, not vapi.calls[call_id].live), 5)
        assert (await started.api("GET", "/organizations")).status == 503
        await check_readiness(started)
        await eventually(lambda: answered(started, vapi.live_call(trial), 403), 20)
        assert datetime.now(UTC) >= ends_at
        server.start()

        async def recorded() -> Any:
            answer = await started.api("GET", f"/calls?vapi_call_id={call_id}")
            return answer.status == 200 and answer.json["items"]

        assert (await eventually(recorded, 20))[0]["blocked"] is True
        await started.add_organization("Later")
        directory = started.service.access.directory
        await eventually(lambda: asyncio.sleep(0, len(directory.entries) == 3), 20)
        await eventually(lambda: asyncio.sleep(0, directory.basis == "fresh"), 20)


async def check_readiness(started: Replica) -> None:
    """The probe names the snapshot and its age."""
    async with started.session.get(f"{started.url}/readyz") as response:
        assert response.status == 200
        found = await response.json()
    assert found["status"] == "degraded"
    check = next(one for one in found["checks"] if one["kind"] == "started_from_snapshot")
    assert "from a snapshot that is 0 min old" in check["detail"]


async def test_an_old_or_foreign_snapshot_starts_nothing(settings: Settings) -> None:
    file = snapshot_file(settings)
    old = DirectorySnapshot(datetime.now(UTC) - timedelta(hours=25), ())
    file.write(old)
    assert await find(settings) == (
        None,
        "The snapshot of 25 h ago is older than CALLGATE_SNAPSHOT_MAX_AGE allows.",
    )
    file.write(DirectorySnapshot(datetime.now(UTC), ()))
    assert (await find(settings))[0] is not None
    off = settings.model_copy(update={"callgate_snapshot_max_age": timedelta()})
    assert (await find(off))[0] is None
    file.path.write_bytes(file.path.read_bytes()[:-9])
    assert (await find(settings))[0] is None


async def test_a_schema_that_does_not_fit_ends_a_degraded_replica(
    server: Server, vapi: SandboxVapi, tmp_path: Path
) -> None:
    connection = await asyncpg.connect(server.dsn)
    await connection.execute("UPDATE callgate.alembic_version SET version_num = '9999'")
    await connection.close()
    await asyncio.to_thread(server.stop)
    process = ServiceProcess(vapi, tmp_path / "data", environment={"DATABASE_URL": server.dsn})
    file = SnapshotFile(
        process.data_dir / "directory.snapshot", [SECRET], name_database(server.dsn)
    )
    await asyncio.to_thread(file.write, DirectorySnapshot(datetime.now(UTC), ()))

    await process.start()
    assert process.process is not None
    server.start()
    async with asyncio.timeout(20):
        assert await process.process.wait() == 1
    log = process.log.read_text()
    assert "revision 9999, which is newer than this code" in log.splitlines()[-1]
    assert "Degraded:" in log


async def test_a_wrong_address_fails_at_once(server: Server, settings: Settings) -> None:
    wrong = Database(server.dsn.replace("//callgate@", "//stranger@"), "", embedded=False)
    async with asyncio.timeout(10):
        with pytest.raises(Exception, match="PostgreSQL cannot be used") as found:
            await prepare(settings, wrong, "real")
    assert not isinstance(found.value, DatabaseAwayError)
