"""While senders without a secret attack one door after another, calls are answered as in quiet.

Real sockets; the service and the attackers each run in a process of their own. The same attacks, longer
and with figures: `python -m tests.bench.attacks`.
"""

import hashlib
import hmac
import time
from pathlib import Path

import aiohttp
import pytest

from service.sandbox.server import SandboxVapi
from tests.support.attacks import KINDS
from tests.support.besieged import Besieged, Figures, besieged, by_secret
from tests.support.service import eventually
from tests.support.settings import SECRET

pytestmark = pytest.mark.alone

MARGIN_SECONDS = 0.1
WORST_SECONDS = 1.5
"""For a single answer: attackers, measuring and other tests share two cores with the service."""
GROWTH_MIB = 64.0


def signed(body: bytes) -> dict[str, str]:
    at = str(int(time.time()))
    digest = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Timestamp": at, "X-Signature": digest}


def compare(kind: str, quiet: Figures, under: Figures, growth: float) -> list[str]:
    """What does not hold, in words."""
    found = [f"{kind}: {fault}" for fault in under.faults[:3]]
    if under.share(0.9) > quiet.share(0.9) + MARGIN_SECONDS:
        found.append(f"{kind}: {quiet.share(0.9):.3f} s became {under.share(0.9):.3f} s")
    if under.worst > max(WORST_SECONDS, 2 * quiet.worst):
        found.append(f"{kind}: one answer took {under.worst:.3f} s")
    if growth > GROWTH_MIB:
        found.append(f"{kind}: {growth:.0f} MiB more memory")
    return found


async def measure_quiet(town: Besieged) -> Figures:
    """What answers take while a process beside the service is as busy as an attacker."""
    async with town.attacked("nothing", 2.0):
        return await town.measure(0.7)


async def endure(town: Besieged, kind: str, quiet: Figures) -> list[str]:
    """Attack one door; say what does not hold while and after."""
    memory = town.memory
    async with town.attacked(kind, 4.0):
        async with aiohttp.ClientSession() as session:
            cut = await town.ask(session, paying=False, fresh=True)
        under = await town.measure(1.8)
        growth = town.memory - memory
    found = compare(kind, quiet, under, growth)
    await eventually(lambda: town.is_cut(cut), 3)
    after = await town.measure(0.4)
    print(
        f"{kind:18} {quiet.share(0.9):.3f} {under.share(0.5):.3f} {under.share(0.9):.3f} "
        f"{under.worst:.3f} after {after.worst:.3f} s {growth:+.0f} MiB {len(under.taken)}"
    )
    return found + compare(f"after {kind}", quiet, after, 0)


async def endure_twice(town: Besieged, kind: str, quiet: Figures) -> list[str]:
    """A second attack decides, beside the quiet before it: other work on the machine may have slowed
    down the first one."""
    return await endure(town, kind, quiet) and await endure(town, kind, await measure_quiet(town))


@pytest.mark.parametrize("mode", ["secret", "hmac"])
async def test_no_door_delays_another_organization(
    vapi: SandboxVapi, dsn: str, tmp_path: Path, mode: str
) -> None:
    kinds = [kind for kind in KINDS if (kind == "uploads") == (mode == "hmac")]
    headers = by_secret if mode == "secret" else signed
    async with besieged(vapi, dsn, tmp_path, headers, VAPI_WEBHOOK_AUTH=mode) as town:
        quiet = await measure_quiet(town)
        found = [fault for kind in kinds for fault in await endure_twice(town, kind, quiet)]
        assert not found, "\n".join(found)
        refused = (town.service.log.read_text()).count("webhook.refused")
        assert refused < 40, "refusals are logged once a second, not one each"


async def test_half_open_headers_with_few_files_stop_nothing(
    vapi: SandboxVapi, dsn: str, tmp_path: Path
) -> None:
    """1,100 half-open headers and at most 1,024 files, the hard limit included."""
    async with besieged(vapi, dsn, tmp_path, files=1024) as town:
        async with town.attacked("half_open", 5.0):
            under = await town.measure(2.0)
            assert not under.faults
            async with aiohttp.ClientSession() as session:
                async with session.get(f"{town.service.url}/readyz") as answer:
                    assert answer.status == 200
                async with session.get(f"{town.service.url}/metrics") as answer:
                    exposition = await answer.text()
        counted = [
            float(line.split()[-1])
            for line in exposition.splitlines()
            if line.startswith(("callgate_connections_shed", "callgate_connections_refused"))
        ]
        assert sum(counted) > 0
