"""A real service with plugins that misbehave, its client, and what it tells about them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from service.sandbox.server import SandboxVapi
from tests.support.plugins import write_plugin
from tests.support.process import ServiceProcess
from tests.support.service import Replica

PLAN = {"code": "pro", "status": "active"}
ENDS_SECONDS = 20.0
PUBLIC = (
    *("/readyz", "/healthz", "/metrics", "/", "/admin", "/admin/sign-in", "/admin/policies"),
    *("/api/openapi.json", "/api/v1/policies", "/api/vapi/webhook"),
)
"""Entrances that need no authentication."""


@asynccontextmanager
async def serving(
    plugins: Mapping[str, str], dsn: str, vapi: SandboxVapi, folder: Path
) -> AsyncIterator[tuple[ServiceProcess, Replica]]:
    """A service with these plugins, by their names, and a client of it."""
    for name, module in plugins.items():
        write_plugin(folder / "plugins", f"hostile_{name}", module)
    environment = {"DATABASE_URL": dsn, "PYTHONPATH": str(folder / "plugins")}
    process = ServiceProcess(vapi, folder / "data", environment=environment)
    await process.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield process, Replica(None, session, process.url)  # type: ignore[arg-type]
    finally:
        async with asyncio.timeout(ENDS_SECONDS):
            assert await process.end() == 0


async def add_numbers(client: Replica, vapi: SandboxVapi) -> tuple[str, str]:
    """A number of an organization that pays, and one of an organization that does not."""
    ids = []
    for plan in (PLAN, None):
        organization_id = await client.add_organization()
        if plan:
            await client.api("PUT", f"/organizations/{organization_id}/plan", plan)
        ids.append(str(vapi.add_number(provider="vapi")["id"]))
        await client.add_number(organization_id, ids[-1], answer_with={"assistantId": "a-1"})
    return ids[0], ids[1]


async def read_public(client: Replica) -> str:
    """What is served without authentication."""
    text = ""
    for path in PUBLIC:
        async with client.session.get(f"{client.url}{path}") as response:
            text += await response.text()
    async with client.session.post(f"{client.url}/api/vapi/webhook", json={}) as response:
        return text + await response.text()
