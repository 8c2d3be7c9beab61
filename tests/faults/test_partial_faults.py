"""Two replicas under traffic, and one or both ways to PostgreSQL harmed: nothing acknowledged is lost,
contradicted or left talking. `tests.bench partial_faults` runs all harms for longer."""

from pathlib import Path

from service.sandbox.server import SandboxVapi
from tests.support.partial_faults import HARMS, traffic

SECONDS = 1.0
SETTLE_SECONDS = 20.0
"""The promise is ten seconds after the fault; a loaded machine gets more."""


async def test_partial_faults_lose_and_contradict_nothing(
    vapi: SandboxVapi, dsn: str, tmp_path: Path
) -> None:
    async with traffic(vapi, dsn, tmp_path) as trial:
        for name, ways in (
            ("cut off", trial.ways),
            ("stalled", trial.ways[:1]),
            ("half-open", trial.ways[1:]),
        ):
            await trial.endure(HARMS[name], ways, SECONDS, pause=0.05)
            assert await trial.settle(SETTLE_SECONDS) == [], name
        assert trial.begun > 30
