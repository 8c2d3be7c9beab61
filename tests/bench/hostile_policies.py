"""How long ordinary calls wait beside plugins that misbehave, and beside none.

    python -m tests.bench hostile_policies [--only KIND …] [--rate 25] [--seconds 12]

Two services, one without plugins, get calls by turns at a fixed rate. Printed are the 99th
percentiles of both: of all calls, and of those from the fifth second on, when the log has named the
plugin, with their difference beside its goal; and when the log had named all of a kind.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import uvloop

from service.log import configure_logging
from service.sandbox.server import SandboxVapi
from tests.support.hostile_plugins import KINDS
from tests.support.hostile_service import add_numbers, serving
from tests.support.process import ServiceProcess
from tests.support.service import Replica

GOAL_MS = 50.0
NAMED_SECONDS = 5.0
NAMING = ("policy.suspended", "event_loop.blocked", "plugin.refused", "policy.not_started")
"""The log events that name a plugin or its policy to the operator, with those of `policy.`."""


class Calls:
    """Calls to one service: for each its due time since the beginning, and how long the answer took."""

    def __init__(self, client: Replica, vapi: SandboxVapi, numbers: tuple[str, str]) -> None:
        self.client = client
        self.vapi = vapi
        self.numbers = numbers
        self.taken: list[tuple[float, float]] = []
        self.wrong = 0

    async def ask(self, due: float, since_start: float) -> None:
        """One call, of an organization that pays or of one that does not, at the time it is due."""
        paid = len(self.taken) % 2 == 0
        message = self.vapi.live_call(self.numbers[not paid], kind="assistant-request")
        answer = await self.client.post(message)
        self.taken.append((since_start, time.monotonic() - due))
        self.wrong += ("assistantId" in (answer.json or {})) != paid

    def p99(self, since: float = 0.0) -> float:
        """Milliseconds."""
        taken = sorted(seconds for at, seconds in self.taken if at >= since)
        return taken[int(len(taken) * 0.99)] * 1000


async def drive(both: tuple[Calls, Calls], rate: float, seconds: float) -> None:
    """Calls to both by turns, each at its time."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for count in range(int(rate * seconds) * 2):
            since_start = count / rate / 2
            await asyncio.sleep(max(began + since_start - time.monotonic(), 0))
            group.create_task(both[count % 2].ask(began + since_start, since_start))


async def watch(process: ServiceProcess, kind: Mapping[str, str], seconds: float) -> float | None:
    """After how many seconds the log has named every plugin of a kind; None: not within `seconds`."""
    began = time.monotonic()
    names = set(kind)
    while names and time.monotonic() - began < seconds:
        lines = process.log.read_text().splitlines()
        telling = "\n".join(
            line for line in lines if '"policy.' in line or any(map(line.count, NAMING))
        )
        names = {name for name in names if name not in telling}
        if names:
            await asyncio.sleep(0.2)
    return None if names else time.monotonic() - began


async def measure(name: str, kind: Mapping[str, str], rate: float, seconds: float) -> None:
    """One kind, in a line."""
    vapi = SandboxVapi()
    await vapi.start()
    with tempfile.TemporaryDirectory() as folder:
        plain, hostile = Path(folder) / "plain", Path(folder) / "hostile"
        for place in (plain, hostile):
            place.mkdir()
        async with (
            serving({}, "", vapi, plain) as (_, quiet),
            serving(kind, "", vapi, hostile) as (process, beset),
        ):
            both = (
                Calls(quiet, vapi, await add_numbers(quiet, vapi)),
                Calls(beset, vapi, await add_numbers(beset, vapi)),
            )
            watching = asyncio.create_task(watch(process, kind, seconds))
            await drive(both, rate, seconds)
            named = await watching
    await vapi.stop()
    show(name, both, named)


def show(name: str, both: tuple[Calls, Calls], named: float | None) -> None:
    without, beside = both
    more = beside.p99(NAMED_SECONDS) - without.p99(NAMED_SECONDS)
    word = "ok" if more <= GOAL_MS and not beside.wrong else "MISSED"
    told = "never" if named is None else f"{named:.1f} s"
    print(
        f"{name:<24} all calls {without.p99():>6.0f} / {beside.p99():>6.0f} ms   "
        f"from 5 s on {without.p99(NAMED_SECONDS):>6.0f} / {beside.p99(NAMED_SECONDS):>6.0f} ms   "
        f"more {more:>6.0f} ms   wrong {beside.wrong}   named {told:<7} {word}",
        flush=True,
    )


async def run(only: list[str], rate: float, seconds: float) -> None:
    print("99th percentiles without plugins / with them; goal: 50 ms more, named within 5 s")
    for name in only or KINDS:
        await measure(name, KINDS[name], rate, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=[], metavar="KIND")
    parser.add_argument("--rate", type=float, default=25.0)
    parser.add_argument("--seconds", type=float, default=12.0)
    given = parser.parse_args()
    configure_logging(style="json", level="ERROR", secrets=[])
    uvloop.run(run(given.only, given.rate, given.seconds))
