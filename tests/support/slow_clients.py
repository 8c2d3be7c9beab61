"""A service with clients whose servers are slow or hostile, and one whose server works."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from service.sandbox.server import SandboxVapi
from tests.support.besieged import PAUSE_SECONDS, PLAN, TOO_LONG, Besieged, Figures, besieged
from tests.support.client_servers import client_server
from tests.support.hostile_clients import HANGING
from tests.support.service import unused_port

CLIENTS = 20
"""With names that hang; a hostile server is one client's."""


@dataclass
class ClientTown:
    """The service under measurement. `good` is the number of the client whose server works."""

    town: Besieged
    good: str
    hostile: dict[str, list[str]]
    """Numbers of the bad clients, by what is bad about them."""
    server_port: int
    names_port: int

    @asynccontextmanager
    async def attacked(self, kind: str, seconds: float) -> AsyncIterator[None]:
        """Bad clients have calls until the end of the block."""
        ports = str(self.town.service.port), str(self.port_of(kind))
        numbers = self.hostile[HANGING if kind == HANGING else "server"]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.hostile_clients"),
            *(kind, *ports, str(seconds), *numbers),
        )
        try:
            yield
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def port_of(self, kind: str) -> int:
        return self.names_port if kind == HANGING else self.server_port

    async def measure(self, seconds: float) -> Figures:
        """Calls of three others: answered by a setting, blocked, and answered by their server."""
        figures = Figures()
        direct, relayed = await asyncio.gather(
            self.town.measure(seconds), self.measure_relayed(seconds)
        )
        figures.taken = direct.taken + relayed.taken
        figures.faults = direct.faults + relayed.faults
        return figures

    async def measure_relayed(self, seconds: float) -> Figures:
        """Assistant-requests and tool calls that the good client's server answers."""
        figures, until = Figures(), time.monotonic() + seconds
        timeout = aiohttp.ClientTimeout(total=TOO_LONG)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while time.monotonic() < until:
                for kind in ("assistant-request", "tool-calls"):
                    began = time.monotonic()
                    try:
                        await self.ask(session, kind)
                    except (aiohttp.ClientError, OSError, TimeoutError, AssertionError) as exc:
                        figures.faults.append(f"relayed {kind} {type(exc).__name__}: {exc}")
                    figures.taken.append(time.monotonic() - began)
                    await asyncio.sleep(PAUSE_SECONDS)
        return figures

    async def ask(self, session: aiohttp.ClientSession, kind: str) -> None:
        body = self.town.vapi.live_call(self.good, kind="assistant-request")
        body["message"]["type"] = kind
        url = f"{self.town.service.url}/api/vapi/webhook"
        async with session.post(url, json=body, headers=self.town.headers(b"")) as response:
            answer = await response.json()
            assert answer == {"assistantId": "theirs"}, (response.status, answer)


@asynccontextmanager
async def client_town(vapi: SandboxVapi, dsn: str, folder: Path) -> AsyncIterator[ClientTown]:
    """A running service with its clients."""
    server_port, names_port = unused_port(), unused_port()
    surroundings = besieged(
        vapi,
        dsn,
        folder,
        CALLGATE_RELAY_HOSTS="127.0.0.1",
        CALLGATE_NAME_SERVERS=f"127.0.0.1:{names_port}",
    )
    async with surroundings as town, client_server("well_and_close") as good:

        async def add(url: str) -> str:
            owner = await town.client.add_organization("Client", forward_url=url)
            await town.client.api("PUT", f"/organizations/{owner}/plan", PLAN)
            number = str(vapi.add_number(provider="vapi")["id"])
            await town.client.add_number(owner, number)
            return number

        hostile = {
            "server": [await add(f"http://127.0.0.1:{server_port}/hook")],
            HANGING: [await add(f"https://client-{index}.example/") for index in range(CLIENTS)],
        }
        yield ClientTown(town, await add(good.url), hostile, server_port, names_port)
