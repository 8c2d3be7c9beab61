"""Two workers of one port beside one: what a message costs each, and who gets how many."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp

from service.sandbox.server import SandboxVapi
from service.store.roles import app_dsn
from tests.bench.parts.replicas import QUIET, end
from tests.bench.parts.report import Goal, Part, Table, format_figure, format_spread
from tests.bench.parts.scene import Scene, settle
from tests.support.load import Load, Spread, cpu_seconds, message_of, run_load
from tests.support.measured import PLAN, WEBHOOK, MeasuredOrganization, pin, prepare
from tests.support.process import ServiceProcess
from tests.support.settings import TOKEN

COUNTS = (1, 2)
WARMING_SECONDS = 2
COUNTED = re.compile(r'callgate_webhook_messages_total\{(?:worker="(\d+)",)?[^}]*\} (\S+)')
CONNECTIONS = 32
TEXT = f"""Later messages over {CONNECTIONS} connections a worker. Both workers share the server's core:
where nothing makes them wait for each other, they answer together what one answers there. So twice the
ratio is what two do with a core for each, on a machine that does nothing else. *CPU* is what a message
costs, with all that a worker does besides. *Busiest* is the share of the worker that the kernel gave
most messages."""


@dataclass(slots=True)
class Workers:
    """A service with so many workers, and its figures in each round."""

    count: int
    process: ServiceProcess
    load: Load
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    busiest: list[float] = field(default_factory=list)
    failures: int = 0

    @property
    def pids(self) -> list[int]:
        """The processes that answer."""
        assert self.process.process is not None
        pid = self.process.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        marked = [
            int(child)
            for child in children
            if b"--worker-of" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]
        return marked or [pid]

    async def answered(self) -> dict[str, float]:
        """How many messages each worker has answered, by its page of metrics."""
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{self.process.url}/metrics") as reply:
                page = await reply.text()
        found: dict[str, float] = {}
        for worker, value in COUNTED.findall(page):
            found[worker] = found.get(worker, 0.0) + float(value)
        return found

    async def run(self, seconds: int, folder: Path) -> None:
        """One round."""
        before, spent = await self.answered(), sum(map(cpu_seconds, self.pids))
        result = await run_load(self.load, seconds, self.pids[0], folder)
        spent = sum(map(cpu_seconds, self.pids)) - spent
        await settle(self.pids)
        after = await self.answered()
        counts = [count - before.get(worker, 0.0) for worker, count in after.items()]
        self.rates.append(result.rate)
        self.costs.append(1e6 * spent / result.requests)
        self.busiest.append(max(counts) / sum(counts))
        self.failures += result.failures


async def measure(scene: Scene) -> Part:
    """Both in turn, round by round."""
    folder, found = scene.make_folder(), list[Workers]()
    vapi = SandboxVapi()
    await vapi.start()
    try:
        async with scene.database() as dsn:
            for count in COUNTS:
                environment = {"DATABASE_URL": app_dsn(dsn), **QUIET}
                options = ("--workers", str(count))
                process = ServiceProcess(
                    vapi, folder / f"data-{count}", options=options, environment=environment
                )
                await process.start()
                found.append(Workers(count, process, Load(f"{process.url}{WEBHOOK}", b"", "")))
            paying = await add_paying(found[0].process, vapi)
            for one in found:
                for pid in one.pids:
                    pin(pid)
                one.load = replace(
                    load_of(one.process, vapi, paying), connections=CONNECTIONS * one.count
                )
                await run_load(one.load, WARMING_SECONDS, one.pids[0], folder)
            for _ in range(scene.sizes.rounds):
                for one in found:
                    await settle(one.pids)
                    await one.run(scene.sizes.seconds, folder)
    finally:
        for one in found:
            await end(one.process)
        await vapi.stop()
    return build_part(*found)


async def add_paying(process: ServiceProcess, vapi: SandboxVapi) -> MeasuredOrganization:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(process.url, headers=headers) as session:
        return await prepare(session, vapi, "Paying", PLAN)


def load_of(process: ServiceProcess, vapi: SandboxVapi, paying: MeasuredOrganization) -> Load:
    """Later messages of one call."""
    message = vapi.live_call(paying.number_id)
    message["message"].update(type="speech-update", status="started", role="user")
    message["message"]["call"].pop("monitor", None)
    message["message"]["call"]["id"] = "known-call"
    return Load(f"{process.url}{WEBHOOK}", message_of(3000, message), paying.secret)


def build_part(one: Workers, two: Workers) -> Part:
    part = Part(failures=[f"workers: {w.failures} answers" for w in (one, two) if w.failures])
    ratio = Spread.of([more / few for few, more in zip(one.rates, two.rates, strict=True)])
    cells = [
        (
            str(workers.count),
            format_spread(Spread.of(workers.rates)),
            format_spread(shared) if shared else "",
            format_spread(Spread.of(workers.costs)),
            format_figure(Spread.of(workers.busiest).median),
        )
        for workers, shared in ((one, None), (two, ratio))
    ]
    scaled = two.count * ratio.median
    part.goals.append(Goal("two workers with a core each, of one", scaled, 1.7, "", least=True))
    part.figures |= {"workers.ratio": scaled, "workers.busiest": Spread.of(two.busiest).median}
    head = ("workers", "messages/s on one core", "of one", "CPU µs a message", "busiest")
    part.tables.append(Table("Workers", TEXT, head, cells))
    return part
