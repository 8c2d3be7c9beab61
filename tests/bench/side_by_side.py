"""Every figure beside its baseline, in one run: `python -m tests.bench`.

    python -m tests.bench [--quick] [--only throughput latency] [--into FOLDER]

Servers have one core, load and PostgreSQL have the others. Without options it takes about eleven
minutes and writes `tests/bench/results`, the table of the README and those of `deploy/scale.md`;
`--quick` only shows that everything runs, and writes into a temporary folder. Answers other than the
expected ones are failures: the exit code is 1.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import uvloop

from service.log import configure_logging
from tests.bench.parts import (
    changes,
    costs,
    hangups,
    latency,
    numbers,
    sizes,
    starts,
    throughput,
    workers,
)
from tests.bench.parts.report import FIGURES, Part, machine, write, write_readme
from tests.bench.parts.scene import QUICK, Scene, Sizes, open_scene
from tests.bench.scale import DOCUMENT, write_scale
from tests.support.load import LOAD_CORES, find_wrk

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results"


async def measure_throughput(scene: Scene, _figures: Mapping[str, float]) -> Part:
    return await throughput.measure(scene)


async def measure_sizes(scene: Scene, _figures: Mapping[str, float]) -> Part:
    return await sizes.measure(scene)


async def measure_hangups(scene: Scene, _figures: Mapping[str, float]) -> Part:
    return await hangups.measure(scene)


async def measure_changes(scene: Scene, _figures: Mapping[str, float]) -> Part:
    return await changes.measure(scene)


async def measure_numbers(scene: Scene, _figures: Mapping[str, float]) -> Part:
    return await numbers.measure(scene)


async def measure_starts(scene: Scene, _figures: Mapping[str, float]) -> Part:
    return await starts.measure(scene)


async def measure_workers(scene: Scene, _figures: Mapping[str, float]) -> Part:
    return await workers.measure(scene)


async def measure_costs(scene: Scene, _figures: Mapping[str, float]) -> Part:
    return await costs.measure(scene)


PARTS: Mapping[str, Callable[[Scene, Mapping[str, float]], Awaitable[Part]]] = {
    "throughput": measure_throughput,
    "latency": latency.measure,
    "sizes": measure_sizes,
    "hangups": measure_hangups,
    "changes": measure_changes,
    "numbers": measure_numbers,
    "starts": measure_starts,
    "workers": measure_workers,
    "costs": measure_costs,
}
"""In this order: later parts take figures of earlier ones."""


async def run(scene: Scene, names: list[str]) -> Part:
    """The chosen parts, one after the other."""
    whole = Part()
    for name in names:
        began = time.monotonic()
        whole.add(await PARTS[name](scene, whole.figures))
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--into", type=Path, help="where the document and the pictures go")
    given = parser.parse_args()
    if find_wrk() is None:
        sys.exit("Install wrk (Debian's package of that name).")
    whole = not given.quick and set(given.only) == set(PARTS)
    default = RESULTS if whole else Path(tempfile.mkdtemp(prefix="callgate-figures-"))
    into = given.into or default
    configure_logging(style="json", level="CRITICAL")
    os.sched_setaffinity(0, set(LOAD_CORES))
    with open_scene(QUICK if given.quick else Sizes()) as scene:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            part = runner.run(run(scene, [name for name in PARTS if name in given.only]))
    write(part, into, machine(), " ".join(("python -m tests.bench", *sys.argv[1:])))
    if whole and into.resolve() == RESULTS:
        write_readme(part, ROOT / "README.md")
        write_scale(into / FIGURES, DOCUMENT)
    print((into / "README.md").read_text())
    print(f"written into {into}")
    sys.exit(1 if part.failures else 0)


if __name__ == "__main__":
    main()
