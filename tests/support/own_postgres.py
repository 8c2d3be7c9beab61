"""A PostgreSQL of a test's own, to be stopped and started again."""

import os
from dataclasses import dataclass
from pathlib import Path

from service.store.postgres.server import EmbeddedPostgres
from tests.support.prepared import give_database


@dataclass
class Server:
    """A PostgreSQL for one test, with our tables, stopped and restarted by it."""

    data_dir: Path
    dsn: str = ""
    embedded: EmbeddedPostgres | None = None

    def start(self) -> None:
        give_database(self.data_dir)
        self.embedded = EmbeddedPostgres(self.data_dir, options={"fsync": "off"})
        self.dsn = self.embedded.start()

    def stop(self) -> None:
        if self.embedded is not None:
            self.embedded.stop()
            self.embedded = None

    def signal_all(self, number: int) -> None:
        """Send a signal to every process of this server."""
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fits = (entry / "cwd").readlink() == self.data_dir / "postgres"
                if fits and b"postgres" in (entry / "cmdline").read_bytes():
                    os.kill(int(entry.name), number)
            except OSError:
                continue
