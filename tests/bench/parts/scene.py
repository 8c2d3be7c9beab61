"""Where the parts of the benchmark run: one PostgreSQL, a database for each part, and how much to do."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from service.store.postgres.server import EmbeddedPostgres
from service.store.roles import create_app_role
from service.store.schema import migrate
from tests.support.database import dsn_for, execute, fresh_database
from tests.support.load import cpu_seconds

TEMPLATE = "bench_template"
IDLE_SHARE, IDLE_SECONDS, MOST_IDLE_SECONDS = 0.1, 0.2, 6.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured; `QUICK` only shows that everything runs."""

    rounds: int = 5
    seconds: int = 2
    paced_seconds: float = 8.0
    hangups: int = 250
    hangups_alone: int = 40
    changes: int = 200
    cuts: int = 6
    organizations: int = 1000
    numbers: int = 100
    traffic_seconds: float = 10.0
    lives: int = 400
    notifications: int = 3000
    starts: int = 3
    large_messages: int = 6


QUICK = Sizes(
    rounds=1,
    seconds=1,
    paced_seconds=1.0,
    hangups=30,
    hangups_alone=5,
    changes=10,
    cuts=1,
    organizations=100,
    numbers=10,
    traffic_seconds=2.0,
    lives=20,
    notifications=100,
    starts=1,
    large_messages=1,
)


@dataclass(frozen=True, slots=True)
class Scene:
    """The server for all parts. `cluster` is the folder in which its processes run."""

    folder: Path
    admin_dsn: str
    cluster: Path
    sizes: Sizes
    counter: "count[int]"

    def make_folder(self) -> Path:
        """A new folder."""
        made = self.folder / f"part-{next(self.counter)}"
        made.mkdir()
        return made

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """A fresh, migrated database, without what earlier parts left in it."""
        async with fresh_database(self.admin_dsn, TEMPLATE) as dsn:
            yield dsn

    def postgres_pids(self) -> list[int]:
        """The processes of PostgreSQL that run now."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and (entry / "cwd").readlink() == self.cluster:
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def postgres_seconds(self) -> dict[int, float]:
        """The processor time so far of each process of PostgreSQL."""
        found = {}
        for pid in self.postgres_pids():
            with suppress(OSError):
                found[pid] = cpu_seconds(pid)
        return found


@contextmanager
def open_scene(sizes: Sizes) -> Iterator[Scene]:
    """Start PostgreSQL as the service itself does, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="callgate-bench-") as name:
        folder = Path(name)
        server = EmbeddedPostgres(folder / "db", options={"max_connections": "300"})
        dsn = server.start()
        try:
            asyncio.run(execute(dsn, f"CREATE DATABASE {TEMPLATE}"))
            asyncio.run(migrate(dsn_for(dsn, TEMPLATE)))
            asyncio.run(create_app_role(dsn_for(dsn, TEMPLATE)))
            yield Scene(folder, dsn, server.cluster, sizes, count(1))
        finally:
            server.stop()


async def settle(pids: list[int]) -> None:
    """Wait until the servers are idle: an earlier run leaves hang-ups behind, which take their time."""
    until = asyncio.get_running_loop().time() + MOST_IDLE_SECONDS
    while asyncio.get_running_loop().time() < until:
        spent = sum(map(cpu_seconds, pids))
        await asyncio.sleep(IDLE_SECONDS)
        if sum(map(cpu_seconds, pids)) - spent < IDLE_SHARE * IDLE_SECONDS:
            return
