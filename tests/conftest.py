"""What every test can use: the fixtures of `tests.support`, registered once."""

import os
from pathlib import Path

import pytest

pytest_plugins = (
    "tests.support.database",
    "tests.support.service",
    "tests.support.vapi",
    "tests.support.reconciling",
    "tests.support.lives",
    "tests.support.browser",
)


MOST_WORKERS = 8
"""Each has a PostgreSQL of its own; beyond this they wait for each other's memory and disk."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One worker a core for folders. A few files or tests are sooner done in this process.

    `PYTEST_XDIST_AUTO_NUM_WORKERS` and `-n` on the command line decide first.
    """
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    given = [Path(argument.partition("::")[0]) for argument in config.args]
    few = len(given) <= 3 and all(path.is_file() for path in given)
    return 0 if few else min(len(os.sched_getaffinity(0)), MOST_WORKERS)
