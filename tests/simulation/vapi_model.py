"""Vapi as a model: calls that go on until they are ended, an API that fails, control URLs that stall."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from service.domain.priority import Priority
from service.vapi.calls.view import CallView
from service.vapi.client import VapiClient
from service.vapi.control import ControlClient
from service.vapi.errors import VapiNotFoundError, VapiUnavailableError
from service.vapi.pages import BarePage
from tests.simulation.loop import EPOCH, VirtualLoop

CONTROL = "https://control.vapi.ai/"
REFUSED_SECONDS = 3.0
"""How long Vapi speaks the refusal of an assistant-request before it ends the call."""


@dataclass(eq=False, slots=True)
class ModelCall:
    """A call at Vapi. `answered` and `ended` are futures of its life."""

    id: str
    number_id: str
    began: float
    hidden_until: float
    ended: "asyncio.Future[str]"
    ended_at: float | None = None
    commands: int = 0
    deaf: int = 0
    """Commands that Vapi accepts although they end nothing."""
    other_number_id: str | None = None
    """A number of another organization, which some messages name."""

    @property
    def live(self) -> bool:
        return self.ended_at is None


@dataclass(eq=False)
class VapiModel:
    """All calls, and the faults of Vapi's API (`down`) and of its control host (`control_down`).

    `silences`: how often in a row the control host did not answer by chance, without a fault.
    """

    loop: VirtualLoop
    chance: random.Random
    calls: dict[str, ModelCall] = field(default_factory=dict)
    down: bool = False
    control_down: bool = False
    silences: int = 0

    def add(
        self, call_id: str, number_id: str, hidden: float, deaf: int, other: str | None = None
    ) -> ModelCall:
        """Begin a call; the API answers 404 for it during its first `hidden` seconds."""
        now = self.loop.time()
        ended = self.loop.create_future()
        call = ModelCall(
            call_id, number_id, now, now + hidden, ended, deaf=deaf, other_number_id=other
        )
        self.calls[call_id] = call
        return call

    def end(self, call: ModelCall, reason: str) -> None:
        """End a call once."""
        if call.live:
            call.ended_at = self.loop.time()
            call.ended.set_result(reason)

    def view(self, call: ModelCall) -> dict[str, Any]:
        """What the API shows of a call."""
        raw: dict[str, Any] = {
            "id": call.id,
            "type": "inboundPhoneCall",
            "status": "in-progress" if call.live else "ended",
            "phoneNumberId": call.number_id,
            "createdAt": at(call.began).isoformat(),
            "startedAt": at(call.began).isoformat(),
            "monitor": {"controlUrl": CONTROL + call.id},
        }
        if call.ended_at is not None:
            raw["endedAt"] = at(call.ended_at).isoformat()
            raw["endedReason"] = call.ended.result()
            raw["cost"] = cost_of(call)
        return raw

    async def answer(self) -> None:
        """The time that a request takes; raises while the API does not answer."""
        if self.down:
            await asyncio.sleep(self.chance.uniform(0.01, 3.0))
            raise VapiUnavailableError("Vapi does not answer.")
        await asyncio.sleep(self.chance.uniform(0.02, 0.3))


def at(moment: float) -> datetime:
    """A moment of the loop as an instant."""
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=EPOCH + moment)


def cost_of(call: ModelCall) -> float:
    """The cost of an ended call, which is also what its report says."""
    assert call.ended_at is not None
    return round(0.01 + (call.ended_at - call.began) * 0.001, 4)


class ModelClient(VapiClient):
    """The part of Vapi's API that hang-ups and the watch use."""

    def __init__(self, vapi: VapiModel) -> None:
        self.vapi = vapi

    async def get_call(
        self,
        call_id: str,
        priority: Priority = Priority.HANGUP,
        began: datetime | None = None,
    ) -> dict[str, Any]:
        await self.vapi.answer()
        call = self.vapi.calls.get(call_id)
        if call is None or self.vapi.loop.time() < call.hidden_until:
            raise VapiNotFoundError("Vapi has no such call.")
        return self.vapi.view(call)

    async def list_calls(
        self, since: datetime, priority: Priority = Priority.REPAIR
    ) -> AsyncIterator[BarePage[CallView]]:
        await self.vapi.answer()
        now = self.vapi.loop.time()
        shown = [
            CallView(self.vapi.view(call))
            for call in reversed(self.vapi.calls.values())
            if now >= call.hidden_until and at(call.began) >= since
        ]
        if shown:
            yield BarePage(tuple(shown))


class ModelControl(ControlClient):
    """Control URLs: accepted commands end the call a moment later, except where the call is deaf."""

    def __init__(self, vapi: VapiModel) -> None:
        self.vapi = vapi
        self.hosts = (".vapi.ai",)

    async def command(self, url: str, order: Mapping[str, object]) -> None:
        self.check(url)
        vapi = self.vapi
        # Three times in a row is a fault, and the time in which a call must end begins after faults.
        unlucky = vapi.chance.random() < 1 / 40 and vapi.silences < 2
        vapi.silences = vapi.silences + 1 if unlucky else 0
        if vapi.control_down or unlucky:
            await asyncio.sleep(2.5)
            raise VapiUnavailableError("The control host does not answer.")
        await asyncio.sleep(vapi.chance.uniform(0.03, 0.2))
        call = vapi.calls.get(url.removeprefix(CONTROL))
        if call is None or not call.live:
            raise VapiNotFoundError("The control host does not know the call.")
        call.commands += 1
        if call.deaf:
            call.deaf -= 1
            return
        delay = vapi.chance.uniform(0.05, 0.5)
        vapi.loop.call_later(delay, vapi.end, call, "assistant-ended-call")

    async def close(self) -> None:
        """Nothing is open."""
