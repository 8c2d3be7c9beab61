"""A real Pgpool-II in front of the PostgreSQL of the tests: that is its primary and its standby."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.service import eventually, unused_port
from tests.support.tcp_proxy import proxied

PROGRAM = shutil.which("pgpool", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_pgpool = pytest.mark.skipif(PROGRAM is None, reason="pgpool is not installed")

CONFIG = """
backend_clustering_mode = 'streaming_replication'
listen_addresses = '127.0.0.1'
port = {port}
pcp_port = {pcp}
pcp_listen_addresses = ''
socket_dir = '{folder}'
unix_socket_directories = '{folder}'
pcp_socket_dir = '{folder}'
work_dir = '{folder}'
logdir = '{folder}'
pid_file_name = '{folder}/pgpool.pid'
backend_hostname0 = '127.0.0.1'
backend_port0 = {server}
backend_weight0 = 1
backend_flag0 = 'ALWAYS_PRIMARY'
backend_hostname1 = '127.0.0.1'
backend_port1 = {server}
backend_weight1 = 1
backend_flag1 = 'ALLOW_TO_FAILOVER'
num_init_children = 20
sr_check_period = 0
failover_on_backend_shutdown = off
load_balance_mode = {balances}
"""


@asynccontextmanager
async def balanced(dsn: str, folder: Path, *, balances: str = "on") -> AsyncIterator[str]:
    """The DSN of the same database through Pgpool-II, which `balances` reads or not."""
    assert PROGRAM is not None
    async with proxied(dsn) as proxy:
        parts, port = urlsplit(proxy.dsn), unused_port()
        config = CONFIG.format(
            port=port, pcp=unused_port(), folder=folder, server=parts.port, balances=balances
        )
        arguments = write_files(folder, config)
        process = await start(arguments)

        async def listens() -> bool:
            assert process.returncode is None
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return False
            writer.close()
            return True

        try:
            await eventually(listens, 30)
            yield f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def start(arguments: list[str]) -> asyncio.subprocess.Process:
    """Start the pooler as a user that it accepts."""
    assert PROGRAM is not None
    return await asyncio.create_subprocess_exec(
        *(PROGRAM, "-n", *arguments),
        stderr=asyncio.subprocess.DEVNULL,
        user="nobody" if os.geteuid() == 0 else None,
    )


def write_files(folder: Path, config: str) -> list[str]:
    """Write the configuration where the pooler's user may work; the options that name it."""
    folder.chmod(0o777)
    arguments = []
    for option, name in (("-f", "pgpool.conf"), ("-F", "pcp.conf"), ("-a", "pool_hba.conf")):
        (folder / name).write_text(config if option == "-f" else "")
        arguments += [option, str(folder / name)]
    return arguments
