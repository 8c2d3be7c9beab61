"""The webhook beside its ceiling and beside what one writes first, interleaved in one run.

    python -m tests.bench steady [--rounds 7] [--seconds 2] [--size 3000] [--only later] [--quick]

The server has one core, the load (`wrk`) and PostgreSQL have the others. Each round measures every row
once, so that what else happens on the machine meets all of them; medians over the rounds, with the
smallest and the largest figure. `rate` and `p99` are ratios to the bare aiohttp handler of the same
round (`first` is beside the naive service too). `cpu us` is the processor time that the server spent on
a message in its best round, and its ratio is that of the best rounds: what else the machine does only
adds to it. Any other status than the expected one is a failure, and the exit code is 1.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import uvloop

from service.log import configure_logging
from service.store.postgres.server import EmbeddedPostgres
from tests.support.load import LOAD_CORES, Load, LoadResult, Spread, find_wrk, run_load
from tests.support.measured import Measured, measured_servers

ROWS = ("later", "milestone", "blocked", "assistant-request", "first", "first-blocked")
"""Messages of a known call: small talk, a status, and those of a blocked one. Then new calls."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, with its figures by round."""

    name: str
    load: Load
    pid: int
    results: list[LoadResult]


async def measure(servers: Measured, given: argparse.Namespace, folder: Path) -> bool:
    """Measure and print; whether no answer was wrong."""
    rows = [Row(name, load, pid, []) for name, (load, pid) in servers.loads().items()]
    rows = [row for row in rows if row.name in ("bare", *given.only) or row.name == "naive"]
    for _ in range(given.rounds):
        for row in rows:
            row.results.append(await run_load(row.load, given.seconds, row.pid, folder))
    print_table(rows)
    return not any(result.failures for row in rows for result in row.results)


def ratios(row: Row, base: Row, figure: str) -> Spread:
    """A figure of a row, round by round over that of another."""
    pairs = zip(row.results, base.results, strict=True)
    return Spread.of([getattr(one, figure) / getattr(two, figure) for one, two in pairs])


def print_table(rows: list[Row]) -> None:
    """Every row beside the first."""
    by_name = {row.name: row for row in rows}
    bare, naive = by_name["bare"], by_name.get("naive")
    print(f"{'':18} {'rate':>9}   {'ratio':18} {'p99':>10}  ratio  {'cpu us':>6}  ratio  failures")
    for row in rows:
        rate = Spread.of([result.rate for result in row.results])
        late = Spread.of([1000 * result.p99 for result in row.results])
        quick, slow = (ratios(row, bare, figure) for figure in ("rate", "p99"))
        cpu, ceiling = (min(result.cpu for result in one.results) for one in (row, bare))
        cells = [
            f"{row.name:18} {rate.median:7.0f}/s  {format_spread(quick)}",
            f"{late.median:7.2f} ms  {slow.median:5.2f}",
            f"{1e6 * cpu:6.1f}  {ceiling / cpu:5.2f}",
            f"{sum(result.failures for result in row.results)}",
        ]
        if naive and row.name.startswith("first"):
            cells.append(f"{ratios(row, naive, 'rate').median:.1f} x naive")
        print("  ".join(cells), flush=True)


def format_spread(spread: Spread) -> str:
    return f"{spread.median:5.2f} ({spread.least:.2f}-{spread.most:.2f})"


async def run(folder: Path, dsn: str, given: argparse.Namespace) -> bool:
    async with measured_servers(folder, dsn, given.size, naive=given.naive) as servers:
        return await measure(servers, given, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--size", type=int, default=3000)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--quick", action="store_true", help="three rounds of a second")
    given = parser.parse_args()
    if given.quick:
        given.rounds, given.seconds = 3, 1
    given.naive = any(name.startswith("first") for name in given.only)
    if find_wrk() is None:
        sys.exit("Install wrk.")
    configure_logging(style="json", level="ERROR")
    os.sched_setaffinity(0, set(LOAD_CORES))
    with tempfile.TemporaryDirectory() as name:
        server = EmbeddedPostgres(Path(name) / "db")
        dsn = server.start()
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                fine = runner.run(run(Path(name), dsn, given))
        finally:
            server.stop()
    sys.exit(not fine)


if __name__ == "__main__":
    main()
