"""While clients' own servers are slow or hostile, calls of others are answered as in quiet.

Real sockets; the service and the bad clients each run in a process of their own. The same, longer and
with figures: `python -m tests.bench.clients`.
"""

import asyncio
from pathlib import Path

import aiohttp

from service.sandbox.server import SandboxVapi
from tests.attacks.test_doors import compare
from tests.support.besieged import Figures
from tests.support.hostile_clients import HANGING
from tests.support.service import eventually
from tests.support.slow_clients import ClientTown, client_town

KINDS = ("one_byte_a_second", "fifty_megabytes", "never", HANGING)
BURST_SECONDS = 2.0
"""How long the bad clients' messages of the first moment take to arrive."""


async def endure(clients: ClientTown, kind: str, quiet: Figures) -> list[str]:
    """Give the bad clients calls; say what does not hold for the others while and after."""
    town = clients.town
    memory = town.memory
    async with clients.attacked(kind, 8.0):
        await asyncio.sleep(BURST_SECONDS)
        async with aiohttp.ClientSession() as session:
            cut = await town.ask(session, paying=False, fresh=True)
        under = await clients.measure(3.0)
        growth = town.memory - memory
        await eventually(lambda: town.is_cut(cut), 3)
    after = await clients.measure(0.4)
    print(
        f"{kind:18} {quiet.share(0.9):.3f} {under.share(0.5):.3f} {under.share(0.9):.3f} "
        f"{under.worst:.3f} after {after.worst:.3f} s {growth:+.0f} MiB {len(under.taken)}"
    )
    return compare(kind, quiet, under, growth) + compare(f"after {kind}", quiet, after, 0)


async def test_a_bad_client_delays_no_other(vapi: SandboxVapi, dsn: str, tmp_path: Path) -> None:
    async with client_town(vapi, dsn, tmp_path) as clients:
        async with clients.town.attacked("nothing", 2.5):
            quiet = await clients.measure(1.0)
        found = [fault for kind in KINDS for fault in await endure(clients, kind, quiet)]
        assert not found, "\n".join(found)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{clients.town.service.url}/metrics") as answer:
                exposition = await answer.text()
        counted = {
            line.split(" ")[0]: float(line.split()[-1])
            for line in exposition.splitlines()
            if line.startswith("callgate_relay_answers_total")
        }
        bad = ("busy", "breaker_open", "timeout", "failed")
        assert (
            sum(counted[f'callgate_relay_answers_total{{outcome="{word}"}}'] for word in bad) > 50
        )
        log = clients.town.service.log.read_text()
        assert log.count('"relay.') < 300, "failures are logged once a second, not one each"
