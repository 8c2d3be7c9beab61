"""Two replicas under steady traffic, with a fault of a way to PostgreSQL in each turn.

    python -m tests.bench soak [--minutes 60] [--rate 200] [--every 60] [--watch 0]

Calls begin on one replica and go on and end on the other. Each turn harms the way of one replica, or
of both, for up to ten seconds; all kinds of harm in turn. The exit code is 1 if memory grows after a
third of the time, if a task, a descriptor or a lock is left over, or if anything is lost: an answered
call without a row or an end, an answer against the record, a blocked call alive. Vapi's list of calls,
which would repair what is lost, is read only with `--watch`.
"""

import argparse
import asyncio
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import aiohttp
import uvloop

from service.log import configure_logging
from service.store.postgres.server import EmbeddedPostgres
from service.store.roles import create_app_role
from service.store.schema import migrate
from tests.bench.parts.replicas import two_replicas
from tests.support.service import eventually
from tests.support.soaking import LongTraffic, Soak, Target

SETTLE_SECONDS = 60.0
"""A hang-up may have a round left, and rounds are up to half a minute apart."""
LEFT_SECONDS = 60.0
"""Idle connections of the pool and of clients close within this time."""


async def soak(
    dsn: str, folder: Path, *, seconds: float, rate: float, every: float, watch: float = 0.0
) -> list[str]:
    """Soak for so long; what is wrong after it. Prints a line a turn."""
    async with two_replicas(folder, dsn, pinned=False, inside=True, watch=watch) as replicas:
        wrong = []
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            targets = [Target(process, session) for process in (replicas.one, replicas.two)]
            numbers = replicas.paying.number_id, replicas.blocked.number_id
            traffic = LongTraffic(targets, replicas.ways, replicas.vapi, *numbers, dsn)
            trial = Soak(replicas, dsn, traffic)
            await trial.begin()
            for number in range(max(int(seconds / every), 1)):
                print(await trial.turn(number, every, rate), flush=True)
            wrong += await traffic.settle(SETTLE_SECONDS)
        await replicas.session.close()
        wrong += trial.grown()
        left: list[str] = []

        async def nothing_left() -> bool:
            left[:] = await trial.left_over()
            return not left

        with suppress(TimeoutError):
            await eventually(nothing_left, LEFT_SECONDS)
        print(f"{traffic.begun} calls, each checked")
        return wrong + left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=200.0, help="messages a second")
    parser.add_argument("--every", type=float, default=60.0, help="seconds from fault to fault")
    parser.add_argument("--watch", type=float, default=0.0, help="seconds between lists of calls")
    given = parser.parse_args()
    configure_logging(style="json", level="CRITICAL")
    with tempfile.TemporaryDirectory(prefix="callgate-soak-") as name:
        server = EmbeddedPostgres(Path(name) / "db")
        dsn = server.start()
        try:
            asyncio.run(migrate(dsn))
            asyncio.run(create_app_role(dsn))
            chosen = {"rate": given.rate, "every": given.every, "watch": given.watch}
            work = soak(dsn, Path(name), seconds=60 * given.minutes, **chosen)
            wrong = uvloop.run(work)
        finally:
            server.stop()
    print("\n".join(wrong) or "well: memory flat, nothing left over, nothing lost")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
