"""Two replicas under steady traffic with one fault after the other: what a long run would find."""

import os
from pathlib import Path

import pytest

from tests.bench.soak import soak
from tests.support.soaking import more_of

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
"""The tests of every change have a minute; longer runs are by command, see tests/README.md."""
EVERY_SECONDS = 10.0
RATE = 100.0


@pytest.mark.timeout(SECONDS + 240)
async def test_nothing_is_lost_or_left_over(dsn: str, tmp_path: Path) -> None:
    assert await soak(dsn, tmp_path, seconds=SECONDS, rate=RATE, every=EVERY_SECONDS) == []


def test_only_what_is_new_is_left_over() -> None:
    assert more_of({"beat": 1, "read": 3}, {"beat": 1, "read": 1, "gone": 2}) == {"read": 2}
