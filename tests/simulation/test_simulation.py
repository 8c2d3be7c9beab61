"""A short run of the simulation, and that it is one: seeds replay exactly, and faults are found."""

import asyncio
import re
import sys

import pytest

from service.domain.calls import CallEnd
from service.store.calls.closing import EndResult
from tests.simulation.call_hangups import CallRules
from tests.simulation.number_tables import Rows
from tests.simulation.run import run_seed
from tests.simulation.sweep_rules import SweepRules
from tests.simulation.switches import ALL

SEEDS, SECONDS = 300, 8
FEWEST = 10
"""Seeds that even a loaded machine runs in this time."""


async def simulate(*options: str) -> tuple[int, str]:
    """Run the command; its status and its output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.simulation",
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_no_seed_of_a_short_run_violates_a_property() -> None:
    status, output = await simulate("--seeds", str(SEEDS), "--seconds", str(SECONDS))
    assert status == 0, output
    found = re.search(r"^(\d+) seeds, (\d+) answers, 0 failed", output, re.MULTILINE)
    assert found is not None, output
    assert int(found[1]) >= FEWEST


def test_a_seed_replays_exactly() -> None:
    once, again = run_seed(8, ALL), run_seed(8, ALL)
    assert once.trace.lines == again.trace.lines
    assert once.trace.digest == again.trace.digest
    assert len(once.trace.lines) > 50
    assert run_seed(9, ALL).trace.digest != once.trace.digest


def test_a_lost_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(_self: CallRules, _end: CallEnd) -> EndResult:
        return "closed"

    monkeypatch.setattr(CallRules, "record_end", lose)
    violations = [one for seed in range(1, 6) for one in run_seed(seed, frozenset()).violations]
    assert any("its end was reported and answered" in one for one in violations), violations


def test_a_number_that_is_not_repaired_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(_self: SweepRules, *_given: object) -> Rows:
        return []

    monkeypatch.setattr(SweepRules, "make_due", forget)
    violations = [one for seed in range(1, 4) for one in run_seed(seed, frozenset()).violations]
    assert any("webhook at Vapi is not ours" in one for one in violations), violations
