"""Other organizations' calls while clients' own servers are slow or hostile, with figures.

    python -m tests.bench.clients [--seconds 10] [--kinds never,hanging_names]

The service, the bad clients and the measuring each run in a process of their own, with an embedded
PostgreSQL beside them. Printed are the times of answers in quiet (while a process of the attackers'
priority uses the processor), while the bad clients have calls and after it, how much memory the service
took, and the hang-up of a call that was blocked meanwhile. Nothing here is a test: see `tests/attacks`.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import aiohttp
import uvloop

from service.sandbox.server import SandboxVapi
from service.store.postgres.server import EmbeddedPostgres
from tests.bench.attacks import MILLISECONDS, row
from tests.support.hostile_clients import KINDS
from tests.support.service import eventually
from tests.support.slow_clients import ClientTown, client_town


async def endure(clients: ClientTown, kind: str, seconds: float) -> None:
    """Print one line for one kind of bad clients."""
    town = clients.town
    async with town.attacked("nothing", seconds):
        quiet, memory = await clients.measure(min(seconds, 3)), town.memory
    async with clients.attacked(kind, seconds + 4):
        await asyncio.sleep(2)
        async with aiohttp.ClientSession() as session:
            began = time.monotonic()
            cut = await town.ask(session, paying=False, fresh=True)
        await eventually(lambda: town.is_cut(cut), 30)
        hang_up = time.monotonic() - began
        under, grown = await clients.measure(seconds), town.memory - memory
    await asyncio.sleep(1)
    after = await clients.measure(1)
    print(
        f"{kind:18} {row(quiet)} | {row(under)} | {row(after)} | "
        f"{MILLISECONDS * hang_up:6.0f} {grown:+5.0f}  n={len(under.taken)}",
        flush=True,
    )


async def run(folder: Path, dsn: str, kinds: list[str], seconds: float) -> None:
    """Measure one kind after the other."""
    print("milliseconds       quiet: p50    p90    max | bad clients          | after", end="")
    print("                | hang-up, MiB", flush=True)
    vapi = SandboxVapi()
    await vapi.start()
    async with client_town(vapi, dsn, folder) as clients:
        for kind in kinds:
            await endure(clients, kind, seconds)
    await vapi.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--kinds", default=",".join(KINDS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = EmbeddedPostgres(folder / "server")
        dsn = server.start()
        try:
            uvloop.run(run(folder, dsn, given.kinds.split(","), given.seconds))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
