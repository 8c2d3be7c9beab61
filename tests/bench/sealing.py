"""Sealing a history that an earlier version stored in clear, with figures.

    python -m tests.bench.sealing [--rows 10000]

Prints how long all rows take, how long the event loop was held at most in one step, and how long a
second run over the sealed rows takes. Nothing here is a test: see `tests/reconcile/test_sealing.py`.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import uvloop

from service.log import configure_logging
from service.store.pool import create_pool
from service.store.postgres.server import EmbeddedPostgres
from service.store.reconcile.sealing import Sealing
from service.store.schema import migrate
from service.store.vault import Vault

FILL = """
INSERT INTO callgate.webhook_changes (phone_number_id, level, vapi_id, cause, actor, source, fields,
    before, after)
SELECT gen_random_uuid(), 'phone_number', n::text, 'added', 'bench', 'bench', '[]', kept, kept
FROM generate_series(1, $1::int) n, LATERAL (SELECT jsonb_build_object('server', jsonb_build_object(
    'url', 'https://their.example/hook', 'secret', md5(n::text),
    'headers', jsonb_build_object('X-Key', md5((-n)::text)))) AS kept) AS kept
"""
COUNT_CLEAR = """
SELECT count(*) FROM callgate.webhook_changes WHERE before::text !~ 'sealed' OR after::text !~ 'sealed'
"""


class Watch:
    """The longest time between two turns of the event loop, in seconds."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, time.perf_counter() - began)


async def run(dsn: str, rows: int) -> None:
    await migrate(dsn)
    pool = await create_pool(dsn, size=4)
    await pool.execute(FILL, rows)
    sealing = Sealing(pool, Vault(("the-key-of-this-measurement",)))
    for label in ("in clear", "sealed"):
        watch = Watch()
        watching = asyncio.create_task(watch.run())
        began = time.perf_counter()
        await sealing.run()
        taken = time.perf_counter() - began
        watching.cancel()
        print(f"{rows} rows {label:9} {taken:6.1f} s, longest step {1000 * watch.longest:5.1f} ms")
    assert not await pool.fetchval(COUNT_CLEAR)
    await pool.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    given = parser.parse_args()
    configure_logging(style="json", level="ERROR")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = EmbeddedPostgres(folder / "server")
        try:
            uvloop.run(run(server.start(), given.rows))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
