"""The start of the embedded PostgreSQL; one that fails does not stop a service with a snapshot."""

import structlog

from service.access.build import snapshot_file
from service.access.feed.snapshot import SnapshotTooOldError, find_snapshot
from service.settings import Settings
from service.store.postgres.data_dir import EmbeddedPostgresError
from service.store.postgres.guard import PostgresGuard
from service.store.postgres.server import START_SECONDS, EmbeddedPostgres

SNAPSHOT_SECONDS = 15.0
"""How long the server may take to answer where a snapshot can take its place."""

log = structlog.get_logger()


def start_embedded(settings: Settings, server: EmbeddedPostgres) -> PostgresGuard:
    """Start the server. Where it does not start and there is a snapshot, the guard goes on trying.

    Raises `EmbeddedPostgresError`: also for a folder that is unsafe, in use or of another version, which
    waiting does not change.
    """
    server.open()
    guard = PostgresGuard(server)
    try:
        try:
            server.begin()
            server.wait(SNAPSHOT_SECONDS)
        except EmbeddedPostgresError as exc:
            if has_snapshot(settings, server):
                guard.note_failure(1, exc)
                log.error(
                    "postgres.not_started", error=guard.state.error or "it does not answer yet"
                )
                return guard
            if not guard.process.is_alive():
                raise
            server.wait(START_SECONDS - SNAPSHOT_SECONDS)
    except BaseException:
        server.stop()
        raise
    return guard


def has_snapshot(settings: Settings, server: EmbeddedPostgres) -> bool:
    """Whether calls can be decided without the server. The sandbox, which decides no real ones, and a
    server without data do not start so."""
    if settings.sandbox or not server.existed:
        return False
    try:
        found = find_snapshot(snapshot_file(settings), settings.callgate_snapshot_max_age)
    except SnapshotTooOldError as exc:
        log.warning("snapshot.too_old", reason=str(exc))
        return False
    return found is not None
