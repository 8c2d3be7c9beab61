"""Many numbers: how long a start takes, the size of the directory, pauses of the collector."""

import gc
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from service.access.directory import AccessDirectory
from service.sandbox.server import SandboxVapi
from service.store.organizations.feed_source import FeedSource
from service.store.roles import app_dsn
from tests.bench.directory import FILL
from tests.bench.parts.replicas import QUIET, end, inside_of, on_server_core
from tests.bench.parts.report import Goal, Part, Table, format_figure
from tests.bench.parts.scene import Scene, Sizes
from tests.support.inside import look, open_up
from tests.support.load import CALL_ID, Load, Spread, cpu_seconds, message_of
from tests.support.measured import WEBHOOK
from tests.support.paced import run_paced
from tests.support.process import ServiceProcess
from tests.support.settings import SECRET

RATE = 150
"""New calls a second while the collector is watched: they make the most objects."""
FIND = "SELECT vapi_phone_number_id FROM callgate.phone_numbers LIMIT 1"
TEXT = f"""*Start* is from the start of the process to its first `/readyz` with 200, on one core.
*Directory* is what Python allocates for it, counted by `tracemalloc`. *Collector* is the longest pause
of Python's garbage collector in the serving process, while {RATE} calls a second begin. CPU time is
what remains on a machine that does nothing else; the goal of the collector is about it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Of one size: bytes a number, seconds of a start, milliseconds of the longest pause."""

    count: int
    weight: float
    start: float
    start_cpu: float
    pause: float
    pause_cpu: float


async def measure(scene: Scene) -> Part:
    sizes = scene.sizes
    part, cells = Part(), []
    few = await measure_size(scene, 1, 1, part)
    many = await measure_size(scene, sizes.organizations, sizes.numbers, part)
    for seen in few, many:
        figures = (seen.start, seen.start_cpu, seen.weight, seen.pause, seen.pause_cpu)
        cells.append((f"{seen.count:,}", *map(format_figure, figures)))
    count = many.count
    part.goals += [
        Goal(f"start with {count:,} numbers", many.start, 3, "s"),
        Goal(f"directory of {count:,} numbers, each", many.weight, 1000, "bytes"),
        Goal(f"pause of the collector with {count:,} numbers", many.pause_cpu, 10, "ms"),
    ]
    part.figures |= {
        "numbers.start_seconds": many.start,
        "numbers.bytes": many.weight,
        "numbers.pause_ms": many.pause_cpu,
    }
    head = ("numbers", "start s", "its CPU s", "bytes a number", "collector ms", "its CPU ms")
    part.tables.append(Table("Many numbers", TEXT, head, cells))
    return part


async def measure_size(scene: Scene, organizations: int, numbers: int, part: Part) -> Seen:
    """Fill a database with so many organizations, each with so many numbers, and measure."""
    count = organizations * numbers
    async with scene.database() as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute(FILL[0], organizations, timeout=600)
        await connection.execute(FILL[1], timeout=600)
        await connection.execute(FILL[2], numbers, timeout=600)
        await connection.execute("VACUUM ANALYZE", timeout=600)
        number_id = str(await connection.fetchval(FIND))
        await connection.close()
        weight = await weigh(dsn) / count
        folder = scene.make_folder()
        return Seen(count, weight, *await watch(folder, dsn, number_id, scene.sizes, part))


async def weigh(dsn: str) -> int:
    """The bytes of a directory with every number."""
    directory, source = AccessDirectory(), FeedSource(dsn)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    async for batch in source.read_all():
        for entry in batch:
            directory.put(entry)
    batch = []
    source.drop()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return after - before


async def watch(
    folder: Path, dsn: str, number_id: str, sizes: Sizes, part: Part
) -> tuple[float, float, float, float]:
    """The medians of several starts, and the longest pauses under traffic after the last one."""
    vapi = SandboxVapi()
    await vapi.start()
    process = ServiceProcess(vapi, folder / "data", environment={"DATABASE_URL": app_dsn(dsn)})
    # These numbers are not at Vapi, and their reconciliation is not measured here.
    process.environment |= QUIET | {
        "CALLGATE_RECONCILE_INTERVAL": "0",
        "CALLGATE_RECONCILE_MODE": "observe",
        "CALLGATE_VAPI_REQUESTS_PER_SECOND": "0.1",
    }
    open_up(process, inside_of(process))
    taken, used = [], []
    try:
        for number in range(sizes.starts):
            if number:
                await process.end()
            with on_server_core():
                began = time.monotonic()
                await process.start()
                taken.append(time.monotonic() - began)
            assert process.process is not None
            used.append(cpu_seconds(process.process.pid))
        known = str(vapi.add_number(provider="vapi")["id"])
        message = vapi.live_call(known)
        message["message"]["call"]["id"] = CALL_ID
        body = message_of(3000, message).replace(known.encode(), number_id.encode())
        await look(process, inside_of(process))
        load = Load(f"{process.url}{WEBHOOK}", body, SECRET)
        result = await run_paced(load, RATE, sizes.traffic_seconds)
        if result.failures:
            part.failures.append(f"calls with many numbers: {dict(result.statuses)}")
        seen = await look(process, inside_of(process))
        pauses = [1000 * max(seconds, default=0.0) for seconds in zip(*seen.pauses, strict=True)]
    finally:
        await end(process)
        await vapi.stop()
    clock, processor = pauses or (0.0, 0.0)
    return Spread.of(taken).median, Spread.of(used).median, clock, processor
