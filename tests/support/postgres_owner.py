"""A process that owns an embedded PostgreSQL: what a service is to it, without the service.

Run as `python -m tests.support.postgres_owner DATA_DIR [UID PYTHON]`. Prints the DSN, then waits to
stop (end of input) or be killed. With a UID it becomes that user first, and starts
PostgreSQL by way of PYTHON, an interpreter that this user may run.
"""

import asyncio
import os
import sys
from pathlib import Path

import asyncpg

from service.store.postgres.server import EmbeddedPostgres, EmbeddedPostgresError


async def ask(dsn: str) -> str:
    """Who we are to the server."""
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval("SELECT system_user"))
    finally:
        await connection.close()


def main() -> None:
    if len(sys.argv) > 2:
        os.setgroups([])
        os.setgid(int(sys.argv[2]))
        os.setuid(int(sys.argv[2]))
        sys.executable = sys.argv[3]
    server = EmbeddedPostgres(Path(sys.argv[1]))
    try:
        dsn = server.start()
    except EmbeddedPostgresError as exc:
        sys.exit(f"{type(exc).__name__}: {exc}")
    try:
        print(dsn, asyncio.run(ask(dsn)), flush=True)
        sys.stdin.read()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
