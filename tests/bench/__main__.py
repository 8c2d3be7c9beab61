"""`python -m tests.bench NAME [OPTIONS]`: one of the benchmarks beside this file."""

import runpy
import sys
from pathlib import Path

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        sys.exit(f"Name a benchmark: {', '.join(NAMES)}.")
    name = sys.argv.pop(1)
    sys.argv[0] = f"python -m tests.bench {name}"
    runpy.run_module(f"tests.bench.{name}", run_name="__main__")
