"""The service and its baselines as processes on one core, with messages to post to them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

from service.sandbox.server import SandboxVapi
from tests.support.load import CALL_ID, CALLER, SERVER_CORE, Load, message_of
from tests.support.process import ServiceProcess
from tests.support.service import eventually, unused_port
from tests.support.settings import SECRET, TOKEN, secret_of

PLAN = {"code": "pro", "status": "active"}
WEBHOOK = "/api/vapi/webhook"


@dataclass(frozen=True, slots=True)
class MeasuredOrganization:
    """One with its number, for which calls are made."""

    number_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class Measured:
    """The running servers. `pids` are their processes, `urls` their webhooks, by name."""

    pids: Mapping[str, int]
    urls: Mapping[str, str]
    paying: MeasuredOrganization
    blocked: MeasuredOrganization
    vapi: SandboxVapi
    size: int

    def load(
        self, owner: MeasuredOrganization, server: str = "service", answer: int = 200, **fields: Any
    ) -> tuple[Load, int]:
        """Messages of a call, and the process that takes them."""
        message = self.vapi.live_call(owner.number_id)
        inner = message["message"]
        call_id = fields.pop("call_id", None)
        inner.update(fields)
        inner["call"].pop("monitor", None)  # nothing to hang up with: the decision is measured
        if call_id:
            inner["call"]["id"] = call_id
        if call_id and CALL_ID in call_id:
            inner["customer"] = inner["call"]["customer"] = {"number": CALLER}
        body = message_of(self.size, message)
        return Load(self.urls[server], body, owner.secret, answer), self.pids[server]

    def loads(self) -> dict[str, tuple[Load, int]]:
        """Every kind of message, in the order of the table."""
        paying, blocked = self.paying, self.blocked
        fresh = f"bench-{CALL_ID}"
        talk: dict[str, Any] = {"type": "speech-update", "status": "started", "role": "user"}
        found = {
            "bare": self.load(paying, "bare", **talk),
            "later": self.load(paying, call_id="known-call", **talk),
            "milestone": self.load(paying, call_id="known-call"),
            "blocked": self.load(blocked, call_id="blocked-call", answer=403, **talk),
            "asked-again": self.load(paying, type="assistant-request", call_id="asked-call"),
            "assistant-request": self.load(paying, type="assistant-request", call_id=fresh),
            "first": self.load(paying, call_id=fresh),
            "first-blocked": self.load(blocked, call_id=fresh, answer=403),
        }
        if "naive" in self.pids:
            master = replace(blocked, secret=SECRET)
            found["naive"] = self.load(master, "naive", 403, call_id=fresh)
        return found


def pin(pid: int) -> None:
    """Keep every thread of a process on the server's core."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {SERVER_CORE})


@asynccontextmanager
async def baseline(kind: str, *arguments: str) -> AsyncIterator[tuple[str, int]]:
    """A server of `tests.support.baselines`: its webhook and its process."""
    port = unused_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *("-m", "tests.support.baselines", kind, str(port)), *arguments
    )
    try:
        url = f"http://127.0.0.1:{port}{WEBHOOK}"
        async with aiohttp.ClientSession() as session:

            async def answers() -> bool:
                try:
                    async with session.get(url):
                        return True
                except aiohttp.ClientError:
                    return False

            await eventually(answers, 60)
        pin(process.pid)
        yield url, process.pid
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def measured_servers(
    folder: Path, dsn: str, size: int = 3000, *, naive: bool = False
) -> AsyncIterator[Measured]:
    """Start them on the server's core; PostgreSQL and the sandbox are where the caller runs."""
    async with AsyncExitStack() as stack:
        vapi = SandboxVapi()
        await vapi.start()
        stack.push_async_callback(vapi.stop)
        found = {"bare": await stack.enter_async_context(baseline("bare"))}
        service = ServiceProcess(vapi, folder / "data", environment={"DATABASE_URL": dsn})
        service.environment |= {"CALLGATE_LOG_LEVEL": "ERROR", "CALLGATE_CALL_WATCH_INTERVAL": "0"}
        await service.start()
        stack.push_async_callback(service.end)
        assert service.process is not None
        pin(service.process.pid)
        found["service"] = f"{service.url}{WEBHOOK}", service.process.pid
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(f"{service.url}", headers=headers) as session:
            paying = await prepare(session, vapi, "Paying", PLAN)
            blocked = await prepare(session, vapi, "Blocked", None)
        if naive:
            naively = baseline("naive", dsn, blocked.number_id)
            found["naive"] = await stack.enter_async_context(naively)
        yield Measured(
            {name: pid for name, (_, pid) in found.items()},
            {name: url for name, (url, _) in found.items()},
            paying,
            blocked,
            vapi,
            size,
        )


async def prepare(
    session: aiohttp.ClientSession, vapi: SandboxVapi, name: str, plan: object
) -> MeasuredOrganization:
    """An organization with a number that answers calls itself."""
    async with session.post("/api/v1/organizations", json={"name": name}) as reply:
        owner = str((await reply.json())["id"])
    if plan:
        await session.put(f"/api/v1/organizations/{owner}/plan", json=plan)
    assistant = vapi.add_assistant(name="Order taker")["id"]
    number_id = str(vapi.add_number(provider="vapi", assistantId=assistant)["id"])
    body = {
        "organization_id": owner,
        "vapi_phone_number_id": number_id,
        "gate": "request",
        "answer_with": {"assistantId": assistant},
    }
    async with session.post("/api/v1/phone-numbers", json=body) as reply:
        assert reply.status == 201, await reply.text()
    return MeasuredOrganization(number_id, secret_of(owner))
