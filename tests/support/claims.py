"""Two organizations, one without a plan and one that pays, and messages that confuse their calls."""

import asyncio
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from service.sandbox.calls import SandboxCall
from service.sandbox.server import SandboxVapi
from tests.support.service import Replica, eventually

PLAN = {"code": "pro", "status": "active"}
END = {"type": "end-of-call-report", "endedReason": "customer-ended-call"}


def changed(message: Any, number: str | None = None, **fields: object) -> Any:
    """A copy of a message with other fields, and with another phone number if one is given."""
    copy = deepcopy(message)
    copy["message"].update(fields)
    if number is not None:
        copy["message"]["call"]["phoneNumberId"] = number
        copy["message"].setdefault("phoneNumber", {})["id"] = number
    return copy


@dataclass
class Rivals:
    """The organizations `blocked` and `paying` and their numbers, registered at every replica."""

    vapi: SandboxVapi
    replicas: list[Replica]
    blocked: str
    paying: str
    blocked_number: str
    paying_number: str

    @property
    def callgate(self) -> Replica:
        return self.replicas[0]

    def call(self, number: str, **given: Any) -> tuple[SandboxCall, Any]:
        """A live call of a number, and its first message."""
        message = self.vapi.live_call(number, **given)
        return self.vapi.calls[message["message"]["call"]["id"]], message

    async def hung_up(self, call: SandboxCall, seconds: float = 10.0) -> None:
        """Wait until a call has ended."""
        await eventually(lambda: asyncio.sleep(0, not call.live), seconds)

    async def settled(self, call: SandboxCall) -> None:
        """Wait until no job of a call waits or runs."""
        query = "SELECT count(*) FROM callgate.pgqueuer WHERE dedupe_key = $1"

        async def done() -> bool:
            return not await self.callgate.service.pool.fetchval(query, f"hangup:{call.id}")

        await eventually(done, 20.0)

    async def record(self, call: SandboxCall) -> Any:
        return await self.callgate.call(call.id)

    async def owned(self, call: SandboxCall, organization: str) -> Any:
        """Wait until a call is recorded as an organization's; its record."""

        async def found() -> Any:
            stored = await self.record(call)
            return stored if stored and stored["organization_id"] == organization else None

        return await eventually(found)


async def add_rivals(vapi: SandboxVapi, *replicas: Replica) -> Rivals:
    """Register both organizations, each with a number that an assistant answers."""
    numbers, owners = [], []
    for name in ("Blocked", "Paying"):
        owner = await replicas[0].add_organization(name)
        assistant = vapi.add_assistant(name=name)["id"]
        number = vapi.add_number(provider="vapi", assistantId=assistant)["id"]
        answer_with = {"assistantId": assistant}
        await replicas[0].add_number(owner, number, answer_with=answer_with)
        owners.append(owner)
        numbers.append(number)
    await replicas[0].api("PUT", f"/organizations/{owners[1]}/plan", PLAN)

    async def known() -> bool:
        entries = [one.service.access.directory for one in replicas]
        return all(
            numbers[0] in one.numbers
            and numbers[1] in one.numbers
            and any(entry.organization.plan for entry in one.entries.values())
            for one in entries
        )

    await eventually(known)
    return Rivals(vapi, list(replicas), *owners, *numbers)
