"""Data folders with a migrated database, for tests that start a service rather than its first start.

Run as `python -m tests.support.prepared FOLDER`: it makes the one that others are copied from.
"""

import asyncio
import atexit
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from service.store.postgres.server import EmbeddedPostgres
from service.store.roles import create_app_role
from service.store.schema import migrate
from tests.support.database import choose_place

ROOT = Path(__file__).parents[2]


def give_database(data_dir: Path) -> None:
    """Put a migrated database into a data folder that has none: a second of a core saved."""
    if not (data_dir / "postgres").exists():
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", str(prepared() / "postgres"), str(data_dir)], check=True)


@cache
def prepared() -> Path:
    """The data folder that is copied, made once by a process of its own."""
    folder = Path(tempfile.mkdtemp(prefix="callgate-prepared-", dir=choose_place()))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = [sys.executable, "-m", "tests.support.prepared", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


def prepare(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    dsn = server.start()
    try:
        asyncio.run(migrate(dsn))
        asyncio.run(create_app_role(dsn))
    finally:
        server.stop()


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
