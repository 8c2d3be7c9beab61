"""A full read of the access directory, and what it delays: beats, changes, and the event loop.

    python -m tests.bench directory [--organizations 10000] [--numbers 2] [--reads 3]

Printed are the seconds of each full read and, while they run, the longest time between two proofs of
freshness, between a change's commit and its arrival, and between two turns of the loop.
"""

import argparse
import asyncio
import logging
import tempfile
import time
from pathlib import Path

import uvloop

from service.access.directory import AccessDirectory
from service.access.feed.directory_feed import DirectoryFeed
from service.serve.process import calm_collector
from service.store.organizations.feed_source import FeedSource
from service.store.pool import Pool, create_pool
from service.store.postgres.server import EmbeddedPostgres
from service.store.schema import migrate
from tests.support.service import eventually

FILL = (
    "INSERT INTO callgate.organizations (name) SELECT 'Company ' || n FROM generate_series(1, $1) n",
    """
    INSERT INTO callgate.plans (organization_id, code, status, current_period_end)
    SELECT id, 'pro', 'active', now() + interval '20 days' FROM callgate.organizations
    """,
    """
    INSERT INTO callgate.phone_numbers (organization_id, vapi_phone_number_id, label)
    SELECT o.id, gen_random_uuid()::text, 'Line ' || n
    FROM callgate.organizations o CROSS JOIN generate_series(1, $1) n
    """,
)
RENAME = """
UPDATE callgate.organizations SET name = $1
WHERE id = (SELECT id FROM callgate.organizations ORDER BY random() LIMIT 1) RETURNING id
"""


class Longest:
    """The longest gap between two notes, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.last: float | None = None

    def note(self, at: float) -> None:
        if self.last is not None:
            self.seconds = max(self.seconds, at - self.last)
        self.last = at


async def watch_loop(turns: Longest) -> None:
    while True:
        turns.note(time.monotonic())
        await asyncio.sleep(0.001)


async def watch_proofs(directory: AccessDirectory, ages: list[float]) -> None:
    while True:
        ages.append(directory.age_seconds)
        await asyncio.sleep(0.02)


async def change(pool: Pool, directory: AccessDirectory, taken: list[float]) -> None:
    """Rename one organization after the other, and note how long each name takes to arrive."""
    count = 0
    while True:
        count += 1
        name = f"Renamed {count}"
        owner = await pool.fetchval(RENAME, name)
        began = time.monotonic()
        while directory.entries[owner].organization.name != name:
            await asyncio.sleep(0.002)
        taken.append(time.monotonic() - began)
        await asyncio.sleep(0.05)


async def run(dsn: str, options: argparse.Namespace) -> None:
    pool = await create_pool(dsn, 3)
    await pool.execute(FILL[0], options.organizations, timeout=600)
    await pool.execute(FILL[1], timeout=600)
    await pool.execute(FILL[2], options.numbers, timeout=600)
    await pool.execute("VACUUM ANALYZE", timeout=600)
    feed = DirectoryFeed(FeedSource(dsn), pool, AccessDirectory())
    loop = feed.background()
    loop.start()

    async def fresh() -> bool:
        return feed.directory.basis == "fresh"

    await eventually(fresh, 60)
    calm_collector()  # as `serve` does
    turns, ages, taken = Longest(), list[float](), list[float]()
    watching = [
        asyncio.create_task(watch_loop(turns)),
        asyncio.create_task(watch_proofs(feed.directory, ages)),
        asyncio.create_task(change(pool, feed.directory, taken)),
    ]
    for _ in range(options.reads):
        began = time.monotonic()
        await feed.read_all()
        print(f"full read of {options.organizations}: {time.monotonic() - began:.2f} s", flush=True)
    for task in watching:
        task.cancel()
    print(
        f"oldest proof {max(ages):.2f} s, slowest of {len(taken)} changes {max(taken):.3f} s, ",
        end="",
    )
    print(f"longest turn of the loop {turns.seconds:.3f} s")
    await loop.stop()
    pool.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--organizations", type=int, default=10_000)
    parser.add_argument("--numbers", type=int, default=2)
    parser.add_argument("--reads", type=int, default=3)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder))
        dsn = server.start()
        try:
            asyncio.run(migrate(dsn))
            uvloop.run(run(dsn, options))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
