"""What up to a million live calls need, from the costs that `python -m tests.bench` measured.

    python -m tests.bench scale [--figures FILE] [--document FILE]

Writes the tables of `deploy/scale.md` and its picture, `scale.svg`, beside it.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import orjson

from tests.bench.parts.costs import LATER_MESSAGES
from tests.bench.parts.drawing import Line, draw_lines
from tests.bench.parts.model import (
    SIZES,
    Assumptions,
    Costs,
    Needs,
    curve,
    reached,
    sharded,
    simulate_core,
)
from tests.bench.parts.report import FIGURES, format_figure, table_lines

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "deploy" / "scale.md"
BEGIN, END = "<!-- reckoned by python -m tests.bench scale -->", "<!-- end of the tables -->"
BUSY = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
HEAD = (
    "live calls",
    "replicas",
    "PostgreSQL cores",
    "of these notifications",
    "connections",
    "log MB/s",
    "calls a month, millions",
    "requests to Vapi a second",
)


def row_of(needs: Needs) -> tuple[str, ...]:
    return (
        f"{needs.live:,}",
        f"{needs.replicas:,}",
        format_figure(needs.postgres_cores),
        format_figure(needs.notify_cores),
        f"{needs.connections:,.0f}",
        format_figure(needs.wal / 1e6),
        format_figure(needs.rows_a_month / 1e6),
        format_figure(needs.requests),
    )


def shard_row(live: int, costs: Costs, given: Assumptions) -> tuple[str, ...]:
    shards, all_of_them = sharded(live, costs, given)
    return (
        f"{live:,}",
        f"{shards:,}",
        f"{all_of_them.replicas:,}",
        format_figure(all_of_them.postgres_cores),
        f"{all_of_them.connections / shards:,.0f}",
        format_figure(all_of_them.requests / shards),
    )


def tables(costs: Costs, given: Assumptions, pause: float) -> Iterable[str]:
    """The tables of the document."""
    rate = given.busy / (costs.message + costs.call / given.call_seconds)
    yield "| measured | cost |"
    yield "|---|---|"
    yield f"| a later message | {1e6 * costs.message:.0f} µs of a replica's core |"
    call = f"{1e6 * costs.call:.0f} µs of a replica's core"
    yield f"| a call's record and end | {call}, {1e6 * costs.postgres_call:.0f} µs of PostgreSQL's |"
    miss = f"{1e6 * costs.miss:.0f} µs of a replica's core, {1e6 * costs.postgres_miss:.0f} µs"
    yield f"| a message of an unknown call | {miss} of PostgreSQL's |"
    yield f"| writes of a call | {costs.rows:.1f} rows, {costs.wal / 1024:.1f} KiB of log |"
    yield f"| connections of a replica | {costs.connections:.0f} |"
    notice = f"{1e6 * costs.notification:.0f} µs of PostgreSQL's core"
    yield f"| a notification | {notice}, and {1e6 * costs.delivery:.1f} µs for each replica |"
    yield f"| messages a second and core, {given.busy:.0%} busy | {rate:,.0f} |"
    yield ""
    yield from table_lines(HEAD, (row_of(needs) for needs in curve(costs, given)))
    yield ""
    own = "each with replicas and a PostgreSQL of its own"
    yield f"In shards of at most {given.shard:,} live calls, {own}:"
    yield ""
    head = (
        "live calls",
        "shards",
        "replicas of all",
        "PostgreSQL cores of all",
        "connections of one",
        "requests to Vapi a second of one",
    )
    yield from table_lines(head, (shard_row(live, costs, given) for live in SIZES[4:]))
    yield ""
    limits = (
        (f"{live:,}", limit.name, f"{limit.most:,.10g} {limit.unit}", limit.remedy)
        for limit, live in reached(costs, given)
    )
    yield from table_lines(("at live calls", "limit", "reached at", "then"), limits)
    yield ""
    late = [simulate_core(costs, given, busy, pause, seed=1) for busy in BUSY]
    cells = (
        (f"{busy:.0%}", format_figure(1000 * p99)) for busy, p99 in zip(BUSY, late, strict=True)
    )
    yield from table_lines(("core busy", "p99 ms, simulated"), cells)


def draw(costs: Costs, given: Assumptions) -> str:
    needs = curve(costs, given)
    shards = [sharded(one.live, costs, given)[1] for one in needs]
    lines = [
        Line("replicas", [(one.live, one.replicas) for one in needs]),
        Line("PostgreSQL cores", [(one.live, one.postgres_cores) for one in needs]),
        Line("replicas, sharded", [(one.live, one.replicas) for one in shards]),
        Line("PostgreSQL cores, sharded", [(one.live, one.postgres_cores) for one in shards]),
        Line("connections", [(one.live, one.connections) for one in needs]),
        Line("log MB/s", [(one.live, one.wal / 1e6) for one in needs]),
    ]
    return draw_lines(
        "What live calls need, with one PostgreSQL and in shards", "live calls", "", lines
    )


def write_scale(figures: Path, document: Path) -> None:
    """Put the tables between their marks, and the picture beside the document."""
    found = orjson.loads(figures.read_bytes())
    costs, given = Costs.of(found, LATER_MESSAGES), Assumptions()
    before, _, rest = document.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    made = "\n".join(tables(costs, given, found["numbers.pause_ms"] / 1000))
    document.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}")
    (document.parent / "pictures" / "scale.svg").write_text(draw(costs, given))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    results = Path(__file__).parent / "results" / FIGURES
    parser.add_argument("--figures", type=Path, default=results)
    parser.add_argument("--document", type=Path, default=DOCUMENT)
    given = parser.parse_args()
    write_scale(given.figures, given.document)
    print(f"written: {given.document}")


if __name__ == "__main__":
    main()
