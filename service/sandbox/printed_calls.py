"""The two calls that a start prints as `curl` commands: each begins when its message was posted.

Until then nothing of them is live: they are in no list, and a start that no newcomer tries leaves
no call behind.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

from service.sandbox import payloads
from service.sandbox.calls import SandboxCall
from service.sandbox.collection import Json
from service.sandbox.server import CALLER, SandboxVapi

LOOK_SECONDS = 1.0
LASTS_SECONDS = 60.0
"""How long the caller of an allowed call stays on the line."""
MOMENTS = ("createdAt", "updatedAt", "startedAt")


@dataclass(slots=True)
class PrintedCalls:
    """The printed calls, and the loop that asks Callgate's API whether their messages arrived.

    `new`: no earlier start is known, so the password that the start prints is new too.
    """

    sandbox: SandboxVapi
    address: str
    token: str
    new: bool
    calls: list[SandboxCall] = field(default_factory=list)

    def add(self, number_id: str) -> Json:
        """The first message of a call that waits for it, without the instant of printing."""
        switchboard = self.sandbox.switchboard
        call = switchboard.open_call(
            number_id, caller=CALLER, type="inboundPhoneCall", assistant_id=None
        )
        number = switchboard.number_of(call)
        if number:
            switchboard.attach(call, number)
        call.connect()
        body = payloads.build_status_update(call, number, switchboard.clock.tick(), "in-progress")
        body["message"].pop("timestamp", None)
        for name in MOMENTS:
            body["message"]["call"].pop(name, None)
        switchboard.hold(call, LASTS_SECONDS)
        self.calls.append(call)
        return body

    async def follow(self) -> None:
        """Let each call begin once Callgate has recorded it."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                for call in self.calls:
                    with suppress(aiohttp.ClientError, OSError, TimeoutError, ValueError):
                        if call.held and await self.is_recorded(session, call.id):
                            self.sandbox.switchboard.find(call.id)

    async def is_recorded(self, session: aiohttp.ClientSession, call_id: str) -> bool:
        """Whether Callgate has this call."""
        url = f"{self.address}/api/v1/calls?vapi_call_id={call_id}"
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=5)) as response:
            found = await response.json(content_type=None)
            return bool(found.get("items"))
