"""`python -m tests.bench [NAME] [OPTIONS]`: all figures side by side, or one of the files here."""

import runpy
import sys
from pathlib import Path

ALL = "side_by_side"
FILES = Path(__file__).parent.glob("[a-z]*.py")
NAMES = sorted(path.stem for path in FILES if not path.stem.startswith("test_"))

if __name__ == "__main__":
    named = len(sys.argv) > 1 and not sys.argv[1].startswith("-")
    name = sys.argv.pop(1) if named else ALL
    if name not in NAMES:
        sys.exit(f"Name a benchmark: {', '.join(NAMES)}.")
    sys.argv[0] = f"python -m tests.bench {name}"
    runpy.run_module(f"tests.bench.{name}", run_name="__main__")
