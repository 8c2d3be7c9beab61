"""Two replicas under traffic, while the way of one of them to PostgreSQL, or both, are harmed.

    python -m tests.bench partial_faults [--seconds 10] [--rate 60] [--rounds 1]

Calls begin on one replica and end on the other. Printed is, for each harm, how many calls began, and
what was still wrong ten seconds after the harm: acknowledged calls without a row or an end, answers
against the record, blocked calls alive. The exit code is 1 if anything was.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog
import uvloop

from service.sandbox.server import SandboxVapi
from service.store.postgres.server import EmbeddedPostgres
from service.store.roles import create_app_role
from service.store.schema import migrate
from tests.support.partial_faults import HARMS, Traffic, traffic

SETTLE_SECONDS = 10.0


async def try_harm(trial: Traffic, name: str, both: bool, options: argparse.Namespace) -> bool:
    """One harm; prints its line and returns whether all was well ten seconds after it."""
    before = trial.begun
    ways = trial.ways if both else trial.ways[:1]
    await trial.endure(HARMS[name], ways, options.seconds, 1 / options.rate)
    wrong = await trial.settle(SETTLE_SECONDS)
    where = "both replicas" if both else "one replica"
    print(f"{name:20} {where:14} {trial.begun - before:5} calls   {'; '.join(wrong) or 'well'}")
    return not wrong


async def run(dsn: str, folder: Path, options: argparse.Namespace) -> bool:
    vapi = SandboxVapi()
    await vapi.start()
    fine = True
    for _ in range(options.rounds):
        for name in HARMS:
            for both in (False, True):
                async with traffic(vapi, dsn, folder) as trial:
                    fine &= await try_harm(trial, name, both, options)
    await vapi.stop()
    return fine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder) / "data", options={"max_connections": "200"})
        dsn = server.start()
        try:
            asyncio.run(migrate(dsn))
            asyncio.run(create_app_role(dsn))
            fine = uvloop.run(run(dsn, Path(folder), options))
        finally:
            server.stop()
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
