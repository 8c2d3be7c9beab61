"""A start without PostgreSQL: from the snapshot, checked as soon as PostgreSQL answers."""

import asyncio

import structlog

from service.access.build import snapshot_file
from service.access.feed.snapshot import SnapshotTooOldError, find_snapshot
from service.serve.database import (
    START_SECONDS,
    Database,
    DatabaseAwayError,
    prepare_database,
)
from service.serve.late_check import LateCheck
from service.settings import Settings
from service.store.installation import Mode
from service.store.organizations.snapshot import DirectorySnapshot

SNAPSHOT_SECONDS = 2.0
"""How long PostgreSQL may take to answer where a snapshot can take its place."""

log = structlog.get_logger()


async def prepare(
    settings: Settings, database: Database, mode: Mode
) -> tuple[DirectorySnapshot | None, LateCheck | None]:
    """Prepare the database; where it does not answer, the snapshot to start from and the check to make
    later. Raises `StartError`.
    """
    try:
        await prepare_database(database, mode, SNAPSHOT_SECONDS)
    except DatabaseAwayError as exc:
        # Only now: reading the snapshot of 100,000 numbers takes a second.
        found, refusal = await find(settings)
        if found is not None:
            log.warning("service.starting_degraded", reason=str(exc))
            return found, LateCheck(database, mode)
    else:
        return None, None
    try:
        await prepare_database(database, mode, START_SECONDS - SNAPSHOT_SECONDS)
    except DatabaseAwayError as exc:
        raise DatabaseAwayError(f"{exc} {refusal}") from None
    return None, None


async def find(settings: Settings) -> tuple[DirectorySnapshot | None, str]:
    """The snapshot to start from, or a sentence why there is none."""
    file, most_age = snapshot_file(settings), settings.callgate_snapshot_max_age
    try:
        found = await asyncio.to_thread(find_snapshot, file, most_age)
    except SnapshotTooOldError as exc:
        return None, str(exc)
    return found, "There is no snapshot of the access directory to start from."
