"""Messages a second on one core: the service, its ceiling, and what users write today, in turn."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.bench.baselines.servers import BASELINES, all_serving
from tests.bench.parts.drawing import Bar, draw_bars
from tests.bench.parts.report import Goal, Part, Table, format_figure, format_spread
from tests.bench.parts.scene import Scene, settle
from tests.support.load import Load, LoadResult, Spread, run_load
from tests.support.measured import Measured, measured_servers
from tests.support.settings import SECRET

CEILING, NAIVE = "bare aiohttp handler", "aiohttp, asyncpg, call recorded"
SERVICE = {
    "later": "Callgate: later message",
    "blocked": "Callgate: later message, denied",
    "asked-again": "Callgate: assistant-request, repeated",
    "assistant-request": "Callgate: assistant-request",
    "first": "Callgate: first message",
    "first-blocked": "Callgate: first message, denied",
}
"""Names of the kinds of messages in the tables; the last three are new calls, which are recorded."""
WARMING_SECONDS = 1
CHART = "throughput.svg"
TEXT = """32 connections, 3 kB a message. *Of the ceiling* is the ratio to the bare aiohttp handler of
the same round. *CPU* is the server's processor time for a message. FastAPI, Fastify and Next.js ask
PostgreSQL for each message (one join over the same tables) and record nothing; Callgate decides from
memory, and records each new call before it answers; the naive aiohttp service asks and records."""


@dataclass(slots=True)
class Row:
    """One server under one kind of load, and its result in each round."""

    name: str
    load: Load
    pid: int
    results: list[LoadResult] = field(default_factory=list)

    def spread(self, figure: str, factor: float = 1.0) -> Spread:
        return Spread.of([factor * getattr(result, figure) for result in self.results])

    def of(self, other: "Row", figure: str = "rate") -> Spread:
        """The ratio to another row, round by round."""
        pairs = zip(self.results, other.results, strict=True)
        return Spread.of([getattr(one, figure) / getattr(two, figure) for one, two in pairs])

    @property
    def failures(self) -> int:
        return sum(result.failures for result in self.results)


def rows_of(servers: Measured, baselines: Mapping[str, tuple[str, int]]) -> list[Row]:
    """Every row, the ceiling first."""
    loads = servers.loads()
    rows = [Row(CEILING, *loads["bare"])]
    rows += [Row(name, *loads[kind]) for kind, name in SERVICE.items()]
    rows.append(Row(NAIVE, *loads["naive"]))
    later, _ = servers.load(replace(servers.paying, secret=SECRET), call_id="known-call")
    rows += [
        Row(name, replace(later, url=url), process) for name, (url, process) in baselines.items()
    ]
    return rows


async def measure(scene: Scene) -> Part:
    """Every row once a round; servers are idle before each run, so that none pays for another's."""
    folder, sizes = scene.make_folder(), scene.sizes
    async with scene.database() as dsn:
        async with measured_servers(folder, dsn, naive=True) as servers:
            async with all_serving(dsn, folder) as (baselines, missing):
                rows = rows_of(servers, baselines)
                pids = sorted({row.pid for row in rows})
                for row in rows:
                    await run_load(row.load, WARMING_SECONDS, row.pid, folder)
                for _ in range(sizes.rounds):
                    await one_round(rows, pids, sizes.seconds, folder)
    return build_part(rows, missing)


async def one_round(rows: Sequence[Row], pids: list[int], seconds: int, folder: Path) -> None:
    for row in rows:
        await settle(pids)
        row.results.append(await run_load(row.load, seconds, row.pid, folder))
        await asyncio.sleep(0)


def build_part(rows: Sequence[Row], missing: Mapping[str, str]) -> Part:
    """The table, its picture, the figures and the goals."""
    by_name = {row.name: row for row in rows}
    ceiling, naive = by_name[CEILING], by_name[NAIVE]
    part = Part(failures=[f"{row.name}: {row.failures} answers" for row in rows if row.failures])
    cells, bars = [], []
    names = [*(row.name for row in rows), *(name for name in missing)]
    for name in names:
        if name in missing:
            cells.append((name, f"not measured: {missing[name]}", *("",) * 5))
            part.readme = [*part.readme, (name, f"not measured: {missing[name]}", "", "")]
            continue
        row = by_name[name]
        rate, ratio = row.spread("rate"), row.of(ceiling)
        late = row.spread("p99", 1000)
        texts = (
            format_spread(rate),
            format_spread(ratio),
            format_figure(row.spread("p50", 1000).median),
            format_spread(late),
            format_figure(row.spread("cpu", 1e6).median),
            str(row.failures),
        )
        cells.append((name, *texts))
        note = f"{rate.median:,.0f}/s, {ratio.median:.2f} of the ceiling"
        own = name in SERVICE.values()
        bars.append(Bar(name, rate.median, rate.least, rate.most, note, own))
        short = f"{rate.median:,.0f}", f"{late.median:.1f}ms", f"{ratio.median:.2f}"
        if name not in (SERVICE["first"], SERVICE["blocked"]):
            part.readme = [*part.readme, (name, *short)]
    head = ("server", "messages/s", "of the ceiling", "p50 ms", "p99 ms", "CPU µs", "failures")
    part.tables.append(Table("Messages a second on one core", TEXT, head, cells, CHART))
    part.charts[CHART] = draw_bars("Messages a second on one core", bars)
    for kind, name in {"ceiling": CEILING, "naive": NAIVE, **SERVICE}.items():
        part.figures[f"rate.{kind}"] = by_name[name].spread("rate").median
        part.figures[f"cpu.{kind}"] = by_name[name].spread("cpu").least
    for one in BASELINES:
        if one.name in by_name:
            part.figures[f"rate.{one.name}"] = by_name[one.name].spread("rate").median
    part.goals = goals_of(by_name, ceiling, naive)
    return part


def goals_of(by_name: Mapping[str, Row], ceiling: Row, naive: Row) -> list[Goal]:
    later, asked = by_name[SERVICE["later"]], by_name[SERVICE["assistant-request"]]
    first = by_name[SERVICE["first-blocked"]]
    return [
        Goal("later messages, of the ceiling", later.of(ceiling).median, 0.85, "", least=True),
        Goal("p99 of later messages, of the ceiling's", later.of(ceiling, "p99").median, 2.0, ""),
        Goal("assistant-requests, of the ceiling", asked.of(ceiling).median, 0.6, "", least=True),
        Goal("first messages, of the naive service", first.of(naive).median, 3.0, "", least=True),
    ]
