"""Measuring a service under attack: another organization's calls, before, while and after."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from service.sandbox.server import SandboxVapi
from tests.support.process import ServiceProcess
from tests.support.service import Replica
from tests.support.settings import SECRET

PLAN = {"code": "pro", "status": "active"}
PAUSE_SECONDS = 0.02
TOO_LONG = 10.0


@dataclass
class Figures:
    """How long answers took, in seconds, and what went wrong."""

    taken: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def share(self, share: float) -> float:
        return sorted(self.taken)[int((len(self.taken) - 1) * share)]

    @property
    def worst(self) -> float:
        return max(self.taken)


@dataclass
class Besieged:
    """A service in its own process with a paying organization and one without a plan."""

    service: ServiceProcess
    vapi: SandboxVapi
    client: Replica
    paying: str
    blocked: str
    headers: Any

    @property
    def memory(self) -> float:
        """The service's resident memory in MiB."""
        assert self.service.process is not None
        status = Path(f"/proc/{self.service.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    async def ask(self, session: aiohttp.ClientSession, *, paying: bool, fresh: bool) -> str:
        """One message of a new call, answered as the contract says; the call's id."""
        number = self.paying if paying else self.blocked
        kind = "assistant-request" if paying else "status-update"
        message = self.vapi.live_call(number, kind=kind)
        body = json.dumps(message).encode()
        headers = {**self.headers(body), "Content-Type": "application/json"}
        if fresh:
            headers["Connection"] = "close"
        url = f"{self.service.url}/api/vapi/webhook"
        async with session.post(url, data=body, headers=headers) as response:
            text = await response.text()
            assert response.status == (200 if paying else 403), (response.status, text[:200])
        return str(message["message"]["call"]["id"])

    async def measure(self, seconds: float) -> Figures:
        """Both kinds of calls, each over a lasting connection and over new ones."""
        figures, until = Figures(), time.monotonic() + seconds
        timeout = aiohttp.ClientTimeout(total=TOO_LONG)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while time.monotonic() < until:
                for paying in (True, False):
                    for fresh in (True, False):
                        began = time.monotonic()
                        try:
                            await self.ask(session, paying=paying, fresh=fresh)
                        except (aiohttp.ClientError, OSError, TimeoutError, AssertionError) as exc:
                            figures.faults.append(f"{paying=} {fresh=} {type(exc).__name__}: {exc}")
                        figures.taken.append(time.monotonic() - began)
                        await asyncio.sleep(PAUSE_SECONDS)
        return figures

    @asynccontextmanager
    async def attacked(self, kind: str, seconds: float) -> AsyncIterator[None]:
        """An attack by another process, until the end of the block."""
        port = str(self.service.port)
        process = await asyncio.create_subprocess_exec(
            sys.executable, *("-m", "tests.support.attacks", kind, port, str(seconds))
        )
        try:
            yield
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def is_cut(self, call_id: str) -> bool:
        """Whether the hang-up of a call reached Vapi."""
        call = self.vapi.calls.get(call_id)
        return call is not None and not call.live


def by_secret(_body: bytes) -> dict[str, str]:
    return {"X-Vapi-Secret": SECRET}


@asynccontextmanager
async def besieged(
    vapi: SandboxVapi,
    dsn: str,
    folder: Path,
    headers: Any = by_secret,
    files: int | None = None,
    **environment: str,
) -> AsyncIterator[Besieged]:
    """Start the service, with so many files if that is said, and what is needed to measure it."""
    service = ServiceProcess(
        vapi,
        folder / "data",
        environment={"DATABASE_URL": dsn, **environment},
        files=files,
    )
    await service.start()
    try:
        async with aiohttp.ClientSession() as session:
            client = Replica(None, session, service.url)  # type: ignore[arg-type]
            numbers = []
            for name, answers in (("Bakery", {"assistantId": "a-1"}), ("Florist", None)):
                owner = await client.add_organization(name)
                if answers:
                    await client.api("PUT", f"/organizations/{owner}/plan", PLAN)
                number = str(vapi.add_number(provider="vapi")["id"])
                await client.add_number(owner, number, answer_with=answers)
                numbers.append(number)
            yield Besieged(service, vapi, client, numbers[0], numbers[1], headers)
    finally:
        await service.end()
