"""How long commands take, from their start to their end, on a database with a few organizations."""

import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from service.sandbox.server import SandboxVapi
from service.store.roles import app_dsn
from tests.bench.directory import FILL
from tests.bench.parts.replicas import QUIET, on_server_core
from tests.bench.parts.report import Goal, Part, Table, format_figure, format_spread
from tests.bench.parts.scene import Scene
from tests.support.commands import clean_environment
from tests.support.load import Spread
from tests.support.settings import SECRET, TOKEN

ROOT = Path(__file__).parents[3]
ORGANIZATIONS = 10
FIND = "SELECT id FROM callgate.organizations ORDER BY name LIMIT 1"
PLAIN_GOAL, GOAL = 0.3, 0.5
TEXT = f"""*Seconds* are from the start of the process to its end, on one core, with {ORGANIZATIONS}
organizations, each with a number; *CPU* is what remains on a machine that does nothing else. Commands
ask PostgreSQL and the sandbox, and no service runs."""


@dataclass(slots=True)
class Row:
    """A command, and the seconds that each of its runs took: by the clock, and of the processor."""

    name: str
    arguments: tuple[str, ...] = ()
    goal: float = GOAL
    taken: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        return [*self.name.split(), *self.arguments]


def rows_of(organization: str, folder: Path) -> list[Row]:
    """The commands that are run."""
    file = folder / "organizations.csv"
    file.write_text("name\nNew Company\n")
    numbers = folder / "numbers.csv"
    numbers.write_text(f"phone_number,organization\n+15550100100,{organization}\n")
    return [
        Row("--version", goal=PLAIN_GOAL),
        Row("--help", goal=PLAIN_GOAL),
        Row("migrate"),
        Row("token create", ("a token",)),
        Row("admin list"),
        Row("secrets"),
        Row("calls forget", ("+15550100100",)),
        Row("usage"),
        Row("policies"),
        Row("policies shadow", ("plan",)),
        Row("organizations import", (str(file), "--dry-run")),
        Row("numbers import", (str(numbers), "--dry-run")),
        Row("explain", (organization,)),
        Row("doctor"),
        Row("reconcile", ("--dry-run",)),
    ]


async def measure(scene: Scene) -> Part:
    """Every command once a round."""
    folder = scene.make_folder()
    async with scene.database() as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute(FILL[0], ORGANIZATIONS)
        await connection.execute(FILL[1])
        await connection.execute(FILL[2], 1)
        organization = str(await connection.fetchval(FIND))
        await connection.close()
        vapi = SandboxVapi()
        await vapi.start()
        try:
            environment = environment_of(vapi, folder, app_dsn(dsn))
            rows = rows_of(organization, folder)
            for _ in range(1 + 2 * scene.sizes.starts):
                for row in rows:
                    await asyncio.to_thread(run, row, environment)
        finally:
            await vapi.stop()
    return build_part(rows)


def environment_of(vapi: SandboxVapi, folder: Path, dsn: str) -> dict[str, str]:
    """The settings of a real service that speaks to the sandbox."""
    return clean_environment(
        DATABASE_URL=dsn,
        VAPI_API_KEY=vapi.api_key,
        VAPI_API_URL=vapi.base_url,
        VAPI_CONTROL_HOSTS=vapi.base_url,
        VAPI_WEBHOOK_SECRET=SECRET,
        VAPI_WEBHOOK_URL="http://127.0.0.1:9/api/vapi/webhook",
        CALLGATE_ALLOW_INSECURE_WEBHOOK_URL="1",
        CALLGATE_ADMIN_TOKEN=TOKEN,
        CALLGATE_DATA_DIR=str(folder),
        **QUIET | {"CALLGATE_VAPI_REQUESTS_PER_SECOND": "1000"},
    )


def run(row: Row, environment: Mapping[str, str]) -> None:
    """Run a command once. The exit code 2 stands for warnings and drift."""
    spent = spent_by_children()
    with on_server_core():
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "service", *row.words],
            cwd=ROOT,
            env={**environment, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        row.taken.append(time.perf_counter() - began)
    row.used.append(spent_by_children() - spent)
    assert done.returncode in (0, 1, 2), done.stderr
    assert "Traceback" not in done.stderr, done.stderr


def spent_by_children() -> float:
    """The processor time of processes of ours that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def build_part(rows: list[Row]) -> Part:
    """The table and the goals; the first round, which compiles, does not count."""
    part, cells = Part(), []
    for row in rows:
        taken, used = Spread.of(row.taken[1:]), Spread.of(row.used[1:])
        part.figures[f"starts.{row.name.strip('-').replace(' ', '_')}"] = taken.median
        cells.append((f"`callgate {row.name}`", format_spread(taken), format_figure(used.median)))
    for goal in (PLAIN_GOAL, GOAL):
        slowest = max((row for row in rows if row.goal == goal), key=median_of)
        part.goals.append(Goal(f"`callgate {slowest.name}`", median_of(slowest), goal, "s"))
    part.tables.append(Table("Commands", TEXT, ("command", "seconds", "CPU s"), cells))
    return part


def median_of(row: Row) -> float:
    return Spread.of(row.taken[1:]).median
