"""A clean sweep over very many numbers beside asking for each of them, in one run on one machine.

    python -m tests.bench.sweep [--numbers 10000 100000] [--sample 1000]

Prints for each number of numbers how long a sweep takes, what it asks of Vapi and writes there, how
long the event loop stood still at most, and by how much the process's memory grew; then what one GET
for each number would take, extrapolated from a sample. The stand-in for Vapi is a process of its own,
and no request is paced. Nothing here is a test: a shared machine's figures move by a quarter.
"""

import argparse
import asyncio
import gc
import resource
import sys
import tempfile
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import uvloop

from service.domain.priority import Priority
from service.domain.sweeps import SweepReport, SweepRequest
from service.log import configure_logging
from service.reconcile.build import Reconciling
from service.sandbox.server import SandboxVapi
from service.store.pool import Pool, create_pool
from service.store.postgres.server import EmbeddedPostgres
from service.store.schema import migrate
from tests.support.reconciling import ours, reconciling, register_in_sync
from tests.support.settings import settings_for

AT_ONCE = 8
URL = "https://calls.agency.net/api/vapi/webhook"
PAGE = 1000
DEFAULT_REQUESTS_PER_SECOND = 1.4
EMPTY = "TRUNCATE callgate.phone_numbers, callgate.organizations CASCADE"
CALM = "VACUUM ANALYZE callgate.phone_numbers, callgate.webhook_states"


def vapi_id(place: int) -> str:
    return f"{place:08x}-0000-4000-8000-000000000000"


async def serve_vapi(count: int) -> None:
    """The stand-in with its numbers, until standard input closes; prints its port first."""
    vapi = SandboxVapi()
    server = ours(settings_for(Path(), "http://127.0.0.1:9", vapi_webhook_url=URL))
    for place in range(count):
        vapi.add_number(
            id=vapi_id(place), number=f"+1555{place:07d}", name=f"Line {place}", server=server
        )
    await vapi.start()
    print(vapi.port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await vapi.stop()


@dataclass(frozen=True)
class Vapi:
    """The stand-in in its own process."""

    url: str

    async def requests(self) -> list[str]:
        """What was asked of it last, as `METHOD /path`."""
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{self.url}/_sandbox/requests?limit=10000") as response:
                return [f"{item['method']} {item['path']}" for item in await response.json()]


@asynccontextmanager
async def vapi_with(count: int) -> AsyncIterator[Vapi]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.sweep", "--serve-vapi", str(count)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield Vapi(f"http://127.0.0.1:{int(await process.stdout.readline())}")
    finally:
        process.stdin.close()
        await process.wait()


class Stillness:
    """The longest time for which the event loop did nothing else: a webhook would have waited."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, time.perf_counter() - began - 0.001)


def peak_megabytes() -> float:
    """The most memory that this process ever had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def timed(parts: Reconciling) -> tuple[SweepReport, float, float]:
    """A sweep: its report, seconds, and the longest stillness of the event loop."""
    stillness = Stillness()
    watching = asyncio.create_task(stillness.watch())
    await asyncio.sleep(0.05)
    stillness.longest = 0.0
    began = time.perf_counter()
    report = await parts.sweeper.sweep(SweepRequest())
    seconds = time.perf_counter() - began
    watching.cancel()
    return report, seconds, stillness.longest


async def one_by_one(parts: Reconciling, sample: int) -> float:
    """Seconds for a GET for each number of a sample, some at once."""
    places = iter(range(sample))

    async def ask() -> None:
        for place in places:
            await parts.reconciler.observer.number(vapi_id(place), Priority.REPAIR)

    began = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    return time.perf_counter() - began


async def figures(pool: Pool, count: int, sample: int) -> None:
    async with vapi_with(count) as vapi:
        settings = settings_for(Path(), vapi.url, vapi_webhook_url=URL)
        async with reconciling(settings, pool) as parts:
            await pool.execute(EMPTY)
            await register_in_sync(
                pool, parts.reconciler.number_pass.desired, map(vapi_id, range(count))
            )
            await pool.execute(CALM, timeout=60)
            gc.collect()
            before = peak_megabytes()
            report, seconds, still = await timed(parts)
            grown = peak_megabytes() - before
            asked = await vapi.requests()
            writes = sum(not request.startswith("GET ") for request in asked)
            assert report.in_sync == report.checked == count, report.figures
            again = min([(await timed(parts))[1] for _ in range(2)])
            tracemalloc.start()
            await parts.sweeper.sweep(SweepRequest())
            kept, most = (size / 2**20 for size in tracemalloc.get_traced_memory())
            tracemalloc.stop()
            print(f"{count:,} registered numbers, all in sync")
            print(f"  sweep            {seconds:8.2f} s, then {again:.2f} s")
            print(f"  requests to Vapi {len(asked):8}, {writes} of them writes")
            print(f"  event loop still {1000 * still:8.0f} ms at most")
            print(f"  memory           {grown:8.1f} MB more resident; Python objects at most")
            print(f"  {'':16} {most:8.1f} MB during a sweep, {kept:.1f} MB after it")
            sample = min(sample, count)
            taken = await one_by_one(parts, sample)
            whole = taken * count / sample
            print(
                f"  one GET a number {whole:8.2f} s to read, nothing compared or recorded "
                f"(EXTRAPOLATED from {sample:,} in {taken:.2f} s)"
            )
            rate = DEFAULT_REQUESTS_PER_SECOND
            print(
                f"  at {rate} requests a second, the default budget, it is "
                f"{len(asked) / rate:,.0f} s beside {count / rate:,.0f} s (reckoned, not measured)"
            )


async def run(dsn: str, counts: list[int], sample: int) -> None:
    await migrate(dsn)
    pool = await create_pool(dsn, 5)
    for count in sorted(counts):
        await figures(pool, count, sample)
    await pool.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numbers", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--sample", type=int, default=1000)
    parser.add_argument("--serve-vapi", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    configure_logging(style="json", level="ERROR")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if given.serve_vapi is not None:
            runner.run(serve_vapi(given.serve_vapi))
            return
        with tempfile.TemporaryDirectory() as folder:
            server = EmbeddedPostgres(Path(folder) / "db")
            dsn = server.start()
            try:
                runner.run(run(dsn, given.numbers, given.sample))
            finally:
                server.stop()


if __name__ == "__main__":
    main()
