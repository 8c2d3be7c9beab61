"""Watches the embedded server: a postmaster that dies is started again, with pauses."""

import asyncio

import structlog

from service.background import BackgroundLoop
from service.store.postgres.data_dir import EmbeddedPostgresError
from service.store.postgres.guard_state import GuardState, SharedState
from service.store.postgres.process import PostgresProcess
from service.store.postgres.server import EmbeddedPostgres

WATCH_SECONDS = 0.2
LONGEST_LINE = 200

log = structlog.get_logger()


class PostgresGuard:
    """Keeps one server running that was begun; `state` is shared with worker processes."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self.shared = SharedState.create()
        self.state = GuardState()

    def background(self) -> BackgroundLoop:
        """Waits for the death of the postmaster and restarts it; failures are repeated ever later."""
        return BackgroundLoop("embedded_postgres", self.turn)

    @property
    def process(self) -> PostgresProcess:
        assert self.server.process is not None, "the server was begun before it is guarded"
        return self.server.process

    def set_state(self, attempts: int, error: str = "") -> None:
        """Change the state, for workers too."""
        self.state = GuardState(attempts, error)
        self.shared.write(self.state)

    def note_failure(self, attempts: int, exc: Exception) -> None:
        """Note a start that failed. A server that recovers and is alive may still answer."""
        error = "" if self.process.is_alive() else str(exc).splitlines()[-1][:LONGEST_LINE]
        self.set_state(attempts, error)

    async def turn(self) -> None:
        """Wait until the postmaster is dead, then start it again; raises what prevents that."""
        if not self.state.attempts:
            while self.process.is_alive():
                await asyncio.sleep(WATCH_SECONDS)
            log.error("postgres.died")
        attempts = self.state.attempts + 1
        self.set_state(attempts, self.state.error)
        try:
            await self.restart()
        except (EmbeddedPostgresError, OSError) as exc:
            self.note_failure(attempts, exc)
            raise
        self.server.publish()
        log.info("postgres.restarted", attempts=attempts)
        self.set_state(0)

    async def restart(self) -> None:
        """Start the server once, unless it is still starting. It is launched in the main thread, which
        must not wait for it: recovery may take minutes."""
        if not self.process.is_alive():
            await asyncio.to_thread(self.server.clear)
            self.server.launch()
        while not self.process.is_ready():
            if not self.process.is_alive():
                raise self.server.failed_start()
            await asyncio.sleep(WATCH_SECONDS)
