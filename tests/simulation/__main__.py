"""`python -m tests.simulation --seeds 10000`: runs seeds, prints violations with their history."""

import argparse
import os
import sys
import time

from tests.simulation.run import Result, run_seed
from tests.simulation.switches import ALL, SURVIVED


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seed", type=int, help="run this seed only, and print its history")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--faults", default=",".join(sorted(SURVIVED)), help="kinds, or `all`")
    parser.add_argument("--most", type=int, default=5, help="stop after this many violations")
    return parser.parse_args()


def main() -> int:
    options = parse()
    enabled = ALL if options.faults == "all" else frozenset(filter(None, options.faults.split(",")))
    if unknown := enabled - ALL:
        print(f"Unknown faults: {', '.join(sorted(unknown))}. Known: {', '.join(sorted(ALL))}.")
        return 2
    if options.seed is not None:
        result = run_seed(options.seed, enabled)
        print("\n".join(result.trace.lines))
        report(result, options.faults)
        return 1 if result.violations else 0
    return run_many(options, enabled)


def run_many(options: argparse.Namespace, enabled: frozenset[str]) -> int:
    """Run seeds until the number, the time or the patience ends."""
    began, count, answers, failed = time.perf_counter(), 0, 0, 0
    for seed in range(options.first, options.first + options.seeds):
        result = run_seed(seed, enabled)
        count, answers = count + 1, answers + result.answers
        if result.violations:
            failed += 1
            report(result, options.faults)
        if failed >= options.most or time.perf_counter() - began > options.seconds:
            break
    took = time.perf_counter() - began
    print(
        f"{count} seeds, {answers} answers, {failed} failed, {count / took * 60:.0f} seeds a minute"
    )
    return 1 if failed else 0


def report(result: Result, faults: str) -> None:
    """Print what a seed violated, and how to see its history."""
    for violation in result.violations:
        print(f"seed {result.seed}: {violation}")
    print(f"seed {result.seed}: history {result.trace.digest}")
    if result.violations:
        command = f"python -m tests.simulation --seed {result.seed} --faults {faults}"
        print(f"seed {result.seed}: replay with `{command}`")


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets must not depend on the process: a seed replays exactly.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    sys.exit(main())
