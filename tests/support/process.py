"""The service as a process of its own, to be killed and started again."""

import asyncio
import os
import resource
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from service.sandbox.server import SandboxVapi
from tests.support.prepared import give_database
from tests.support.service import unused_port
from tests.support.settings import SECRET, TOKEN

START_SECONDS = 90.0


@dataclass
class ServiceProcess:
    """`callgate serve` with an embedded PostgreSQL, migrated before, on the sandbox of the test."""

    vapi: SandboxVapi
    data_dir: Path
    port: int = field(default_factory=unused_port)
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    files: int | None = None
    """How many files it may open, at most; None: as many as this process."""
    ready_port: int | None = None
    """The port of `/readyz`, where it is not that of the webhook."""
    python: str = sys.executable
    """The interpreter of the environment that it runs in."""
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data_dir.with_suffix(".log")

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        if "DATABASE_URL" not in self.environment:
            await asyncio.to_thread(give_database, self.data_dir)
        given = {
            "VAPI_API_KEY": self.vapi.api_key,
            "VAPI_API_URL": self.vapi.base_url,
            "VAPI_CONTROL_HOSTS": self.vapi.base_url,
            "VAPI_WEBHOOK_SECRET": SECRET,
            "VAPI_WEBHOOK_URL": f"{self.url}/api/vapi/webhook",
            "CALLGATE_ALLOW_INSECURE_WEBHOOK_URL": "1",
            "CALLGATE_ADMIN_TOKEN": TOKEN,
            "CALLGATE_DATA_DIR": str(self.data_dir),
            "CALLGATE_VAPI_REQUESTS_PER_SECOND": "1000",
            "CALLGATE_DRAIN_SECONDS": "0",
        }
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                self.python,
                *("-m", "service", "serve", "--port", str(self.port), *self.options),
                env={**os.environ, **given, **self.environment},
                stdout=log,
                stderr=log,
                preexec_fn=self.limit_files if self.files else None,
            )
        async with asyncio.timeout(START_SECONDS), aiohttp.ClientSession() as session:
            while not await self.ready(session):
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.05)

    def limit_files(self) -> None:
        assert self.files is not None
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))

    async def ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(
                f"http://127.0.0.1:{self.ready_port or self.port}/readyz"
            ) as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def kill(self) -> None:
        """SIGKILL: no goodbye of any kind."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def end(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()
