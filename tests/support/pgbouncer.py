"""A real PgBouncer in transaction mode in front of the PostgreSQL of the tests.

It runs as an ordinary user and connects over TCP, through a proxy of this process, because the embedded
server knows this process's user alone.
"""

import asyncio
import os
import pwd
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.service import unused_port
from tests.support.tcp_proxy import TcpProxy, proxied

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_pgbouncer = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed")

CONFIG = """
[databases]
* = host=127.0.0.1 port={server} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
query_wait_timeout = 20
"""


@asynccontextmanager
async def pooled(
    dsn: str, folder: Path, *, size: int = 3, mode: str = "transaction"
) -> AsyncIterator[str]:
    """The DSN of the same database through a PgBouncer with `size` connections."""
    assert PROGRAM is not None
    async with proxied(dsn) as proxy:
        port = unused_port()
        config = write_config(proxy, folder, port=port, size=size, mode=mode)
        as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
        process = await asyncio.create_subprocess_exec(
            PROGRAM, "-q", *as_user, str(config), stderr=asyncio.subprocess.PIPE
        )
        try:
            await until_listening(process, port)
            parts = urlsplit(proxy.dsn)
            yield f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"
        finally:
            process.kill()
            await process.wait()


def write_config(proxy: TcpProxy, folder: Path, *, port: int, size: int, mode: str) -> Path:
    """The configuration, readable to PgBouncer's user."""
    user = urlsplit(proxy.dsn).username
    path = folder / f"pgbouncer-{port}.ini"
    path.write_text(CONFIG.format(server=proxy.port, user=user, port=port, mode=mode, size=size))
    if os.geteuid() == 0:
        with suppress(KeyError):
            os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
    return path


async def until_listening(process: asyncio.subprocess.Process, port: int) -> None:
    """Wait until PgBouncer accepts connections."""
    async with asyncio.timeout(10):
        while True:
            assert process.returncode is None, "pgbouncer ended"
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)
