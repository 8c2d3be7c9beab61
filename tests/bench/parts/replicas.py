"""Two replicas as processes, each behind a proxy that can harm its way to PostgreSQL."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from service.sandbox.server import SandboxVapi
from service.store.roles import app_dsn
from tests.support.inside import open_up
from tests.support.load import SERVER_CORE
from tests.support.measured import PLAN, WEBHOOK, MeasuredOrganization, prepare
from tests.support.process import ServiceProcess
from tests.support.service import eventually
from tests.support.settings import SECRET, TOKEN
from tests.support.tcp_proxy import TcpProxy, proxied

QUIET = {
    "CALLGATE_LOG_LEVEL": "ERROR",
    "CALLGATE_CALL_WATCH_INTERVAL": "0",
    "CALLGATE_ENCRYPTION_KEY": "the-encryption-key-of-the-benchmark",
}


@contextmanager
def on_server_core() -> Iterator[None]:
    """Processes that start meanwhile get the server's core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CORE})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Replicas:
    """Both processes with a client, and their ways to PostgreSQL."""

    one: ServiceProcess
    two: ServiceProcess
    ways: list[TcpProxy]
    vapi: SandboxVapi
    paying: MeasuredOrganization
    blocked: MeasuredOrganization
    session: aiohttp.ClientSession

    async def post(self, process: ServiceProcess, body: bytes) -> tuple[int, bytes]:
        """A message from Vapi; the status and the body of the answer."""
        async with self.session.post(f"{process.url}{WEBHOOK}", data=body) as reply:
            return reply.status, await reply.read()

    async def known(self) -> bool:
        """Whether the second replica knows both organizations: unknown numbers are answered 404."""
        statuses = set()
        for owner in (self.paying, self.blocked):
            message = self.vapi.live_call(owner.number_id)
            async with self.session.post(f"{self.two.url}{WEBHOOK}", json=message) as reply:
                statuses.add(reply.status)
        return statuses == {200, 403}


@asynccontextmanager
async def two_replicas(
    folder: Path, dsn: str, *, pinned: bool = True, inside: bool = False, watch: float = 0
) -> AsyncIterator[Replicas]:
    """Start them, with an organization that pays and one that is blocked.

    `pinned`: both on the server's core. `inside`: they can be looked into, see `tests.support.inside`.
    `watch`: seconds between reads of Vapi's list of calls, which repair what is lost; 0: none.
    """
    async with AsyncExitStack() as stack:
        vapi = SandboxVapi()
        await vapi.start()
        stack.push_async_callback(vapi.stop)
        started, ways = [], []
        for name in ("one", "two"):
            way = await stack.enter_async_context(proxied(app_dsn(dsn)))
            stack.callback(way.cut)
            process = ServiceProcess(vapi, folder / name, environment={"DATABASE_URL": way.dsn})
            process.environment |= QUIET | {"CALLGATE_CALL_WATCH_INTERVAL": str(watch)}
            if inside:
                open_up(process, inside_of(process))
            with on_server_core() if pinned else nullcontext():
                await process.start()
            stack.push_async_callback(end, process)
            started.append(process)
            ways.append(way)
        one, two = started
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(one.url, headers=headers) as session:
            paying = await prepare(session, vapi, "Paying", PLAN)
            blocked = await prepare(session, vapi, "Blocked", None)
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, headers={"X-Vapi-Secret": SECRET})
        )
        replicas = Replicas(one, two, ways, vapi, paying, blocked, session)
        await eventually(replicas.known)
        yield replicas


def inside_of(process: ServiceProcess) -> Path:
    """The folder through which a process is looked into."""
    return process.data_dir.with_suffix(".inside")


async def end(process: ServiceProcess) -> None:
    with suppress(ProcessLookupError):
        await process.end()
