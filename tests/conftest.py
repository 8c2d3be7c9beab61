"""What every test can use: the fixtures of `tests.support`, registered once."""

import gc
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = (
    "tests.support.alone",
    "tests.support.database",
    "tests.support.service",
    "tests.support.vapi",
    "tests.support.reconciling",
    "tests.support.lives",
    "tests.support.browser",
    "tests.support.logs",
)


TESTS = Path(__file__).parent

SLOW = (
    "attacks",
    "browser",
    "cli",
    "deploy",
    "faults",
    "scenarios",
    "store/postgres",
    "web/api/test_schemathesis.py",
)
"""What `poe test-fast` leaves out: browsers, processes of our own, and stories of the whole service."""

MOST_WORKERS = 8
"""Each has a PostgreSQL of its own; beyond this they wait for each other's memory and disk."""

MEMORY = Path("/dev/shm")
ROOM = 4 * 1024**3
"""Free bytes of memory for the temporary folders of all workers; those of passed tests are deleted."""

YOUNG_OBJECTS = 5_000
"""How many new objects a garbage collection waits for; Python's default is 700."""


def pytest_configure() -> None:
    """Keep temporary folders in memory where it is large enough; workers take over the place.

    A service with a database of its own makes 1,000 files, which a disk writes for many seconds.
    """
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    # How fast an example is says more about what else the machine does.
    settings.register_profile(
        "callgate", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("callgate")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One worker more than cores for folders: tests wait for processes, deadlines and each other.

    A few files or tests are sooner done in this process.

    `PYTEST_XDIST_AUTO_NUM_WORKERS` and `-n` on the command line decide first.
    """
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    given = [Path(argument.partition("::")[0]) for argument in config.args]
    few = len(given) <= 3 and all(path.is_file() for path in given)
    return 0 if few else min(len(os.sched_getaffinity(0)) + 1, MOST_WORKERS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the slow folders."""
    for item in items:
        place = item.path.relative_to(TESTS)
        if any(place.is_relative_to(name) for name in SLOW):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of garbage collections: they took a fifth of the CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what a fast run leaves out."""
    if config.option.markexpr != "not slow":
        return None
    return f"Left out as slow: {', '.join(f'tests/{name}' for name in SLOW)}."
