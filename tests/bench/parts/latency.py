"""How late answers are at half of the top rate, beside the bare handler at the same rate."""

from collections.abc import Mapping

from tests.bench.parts.drawing import Line, draw_lines
from tests.bench.parts.report import Part, Table, format_figure
from tests.bench.parts.scene import Scene, settle
from tests.support.load import Load, run_load
from tests.support.measured import measured_servers
from tests.support.paced import PacedResult, run_paced

KINDS = {
    "later": "later messages",
    "assistant-request": "assistant-requests, recorded",
    "first-blocked": "first messages, denied",
}
SHARES = (0.5, 0.99, 0.999)
DRAWN = (0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
CHART = "latency.svg"
TEXT = """Messages go out at their time, whether or not earlier ones are answered. *Ceiling* is the bare
aiohttp handler under the same messages at the same rate, right before: it shows what client, kernel and
machine take. The client runs on PostgreSQL's core."""
TOP_SECONDS = 2


async def measure(scene: Scene, top: Mapping[str, float]) -> Part:
    """`top` is the rate of each kind under full load, where it was measured already."""
    folder, sizes = scene.make_folder(), scene.sizes
    part, lines, cells = Part(), [], []
    async with scene.database() as dsn, measured_servers(folder, dsn) as servers:
        loads = servers.loads()
        pids = sorted(servers.pids.values())
        for kind, name in KINDS.items():
            load, pid = loads[kind]
            rate = top.get(f"rate.{kind}")
            if rate is None:
                rate = (await run_load(load, TOP_SECONDS, pid, folder)).rate
            bare = Load(servers.urls["bare"], load.body, load.secret)
            results = []
            for one in (bare, load):
                await settle(pids)
                results.append(await run_paced(one, rate / 2, sizes.paced_seconds))
            ceiling, own = results
            cells.append((name, f"{rate / 2:,.0f}/s", *texts(own), *texts(ceiling)[:2]))
            lines += [line_of(name, own), line_of(f"ceiling at {rate / 2:,.0f}/s", ceiling)]
            for result, what in ((ceiling, f"ceiling beside {name}"), (own, name)):
                if result.failures:
                    part.failures.append(f"{what}: {dict(result.statuses)}")
            for share in SHARES:
                part.figures[f"latency.{kind}.{share}"] = own.share(share)
    head = ("messages", "rate", "p50 ms", "p99 ms", "p99.9 ms", "ceiling p50", "ceiling p99")
    part.tables.append(Table("Latency at half of the top rate", TEXT, head, cells, CHART))
    title = "Latency at half of the top rate, one core"
    part.charts[CHART] = draw_lines(title, "one message in", "ms", lines)
    return part


def texts(result: PacedResult) -> tuple[str, ...]:
    return tuple(format_figure(1000 * result.share(share)) for share in SHARES)


def line_of(name: str, result: PacedResult) -> Line:
    """Latency by how rare it is: one message in two is slower than the median."""
    return Line(name, [(1 / (1 - share), 1000 * result.share(share)) for share in DRAWN])
