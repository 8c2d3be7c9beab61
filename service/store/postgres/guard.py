"""Watches the embedded server: a postmaster that dies is started again, with pauses."""

import asyncio

import structlog

from service.background import BackgroundLoop
from service.store.postgres.data_dir import EmbeddedPostgresError
from service.store.postgres.process import PostgresProcess
from service.store.postgres.server import EmbeddedPostgres

WATCH_SECONDS = 0.2
LONGEST_LINE = 200

log = structlog.get_logger()


class PostgresGuard:
    """Keeps one started server running. `attempts` counts the starts since it died; 0: it runs.

    `error` is the last line of a server that did not start.
    """

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self.attempts = 0
        self.error = ""

    def background(self) -> BackgroundLoop:
        """Waits for the death of the postmaster and restarts it; failures are repeated ever later."""
        return BackgroundLoop("embedded_postgres", self.turn)

    @property
    def process(self) -> PostgresProcess:
        assert self.server.process is not None, "the server was started before it is guarded"
        return self.server.process

    async def turn(self) -> None:
        """Wait until the postmaster is dead, then start it again; raises what prevents that."""
        while self.process.is_alive():
            await asyncio.sleep(WATCH_SECONDS)
        self.attempts += 1
        log.error("postgres.died", attempt=self.attempts)
        try:
            await self.restart()
        except (EmbeddedPostgresError, OSError) as exc:
            self.error = str(exc).splitlines()[-1][:LONGEST_LINE]
            raise
        log.info("postgres.restarted", attempts=self.attempts)
        self.attempts, self.error = 0, ""

    async def restart(self) -> None:
        """Start the server once. It is launched in the main thread, which must not wait for it:
        recovery may take minutes."""
        await asyncio.to_thread(self.server.clear)
        self.server.launch()
        while not self.process.is_ready():
            if not self.process.is_alive():
                raise self.server.failed_start()
            await asyncio.sleep(WATCH_SECONDS)
