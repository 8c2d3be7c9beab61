"""Another organization's calls while senders without a secret attack, with figures.

    python -m tests.bench.attacks [--seconds 10] [--kinds half_open,uploads]

The service, the attackers and the measuring each run in a process of their own, with an embedded
PostgreSQL beside them. Printed are the times of answers in quiet (while a process of the attackers'
priority uses the processor), under attack and after it, how much memory the service took, and the
hang-up of a call that was blocked under attack. Nothing here is a test: see `tests/attacks`.
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
from tests.attacks.test_doors import signed
from tests.support.attacks import KINDS
from tests.support.besieged import Besieged, Figures, besieged, by_secret
from tests.support.service import eventually

MILLISECONDS = 1000


def row(figures: Figures) -> str:
    """Median, 90th percentile and worst, in milliseconds; faults where there were any."""
    shares = (figures.share(0.5), figures.share(0.9), figures.worst)
    faults = f" {len(figures.faults)} FAULTS" if figures.faults else ""
    return " ".join(f"{MILLISECONDS * share:6.0f}" for share in shares) + faults


async def endure(town: Besieged, kind: str, seconds: float) -> None:
    """Print one line for one kind of attack."""
    async with town.attacked("nothing", seconds):
        quiet, memory = await town.measure(min(seconds, 3)), town.memory
    async with town.attacked(kind, seconds + 2):
        async with aiohttp.ClientSession() as session:
            began = time.monotonic()
            cut = await town.ask(session, paying=False, fresh=True)
        await eventually(lambda: town.is_cut(cut), 30)
        hang_up = time.monotonic() - began
        under, grown = await town.measure(seconds), town.memory - memory
    await asyncio.sleep(1)
    after = await town.measure(1)
    print(
        f"{kind:18} {row(quiet)} | {row(under)} | {row(after)} | "
        f"{MILLISECONDS * hang_up:6.0f} {grown:+5.0f}  n={len(under.taken)}",
        flush=True,
    )


async def run(folder: Path, dsn: str, kinds: list[str], seconds: float) -> None:
    """Attack every door, one after the other; uploads need the mode `hmac`."""
    print("milliseconds       quiet: p50    p90    max | attacked             | after", end="")
    print("                | hang-up, MiB", flush=True)
    for mode, headers in (("secret", by_secret), ("hmac", signed)):
        chosen = [kind for kind in kinds if (kind == "uploads") == (mode == "hmac")]
        if not chosen:
            continue
        vapi = SandboxVapi()
        await vapi.start()
        (folder / mode).mkdir(mode=0o755)
        async with besieged(vapi, dsn, folder / mode, headers, VAPI_WEBHOOK_AUTH=mode) as town:
            for kind in chosen:
                await endure(town, kind, seconds)
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
