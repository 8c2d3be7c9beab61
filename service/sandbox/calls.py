"""One simulated call: its state, the sentences the caller heard, the messages it caused.

Tests assert on these. `switchboard` runs calls, `payloads` builds their messages.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson

from service.sandbox.clock import Clock, to_iso
from service.sandbox.collection import Json

DOLLARS_PER_SECOND = 0.0012


@dataclass(slots=True)
class Delivery:
    """One attempt to deliver a server message. `http_status` is None without an answer."""

    type: str
    status: str | None
    url: str
    attempt: int
    at: float
    http_status: int | None = None
    milliseconds: float = 0.0
    error: str | None = None
    answer: bytes = field(default=b"", repr=False)

    @property
    def delivered(self) -> bool:
        return self.http_status is not None and 200 <= self.http_status < 300

    def answer_json(self) -> Any:
        """The answer's body as JSON. Raises `ValueError`."""
        return orjson.loads(self.answer)


@dataclass(frozen=True, slots=True)
class SandboxHangup:
    """An accepted order to end a call. `at` is `time.monotonic()`."""

    call_id: str
    at: float
    spoken: str | None = None


@dataclass(eq=False)
class SandboxCall:
    """The state of one call. `held`: it has not begun; its caller will stay for so many seconds.
    `visible_at` is monotonic: before it the API answers 404, as Vapi's does for a young call."""

    type: str
    org_id: str
    clock: Clock
    phone_number_id: str | None = None
    provider: str = "vapi"
    caller: str | None = None
    assistant: Json | None = None
    assistant_overrides: Json | None = None
    squad_id: str | None = None
    workflow_id: str | None = None
    control_base: str = ""
    id: str = field(default_factory=lambda: str(uuid4()))
    name: str | None = None
    status: str = "queued"
    ended_reason: str | None = None
    forwarded_to: Json | None = None
    refusal: str | None = None
    heard: list[str] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    erased: bool = False
    held: float | None = None
    created_ms: int = 0
    updated_ms: int = 0
    started_ms: int | None = None
    ended_ms: int | None = None
    connected_at: float | None = None
    disconnected_at: float | None = None
    tasks: set[asyncio.Task[Any]] = field(default_factory=set, repr=False)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    first_status: str = "ringing"
    visible_at: float = 0.0

    def __post_init__(self) -> None:
        self.created_ms = self.updated_ms = self.clock.tick()
        self.first_status = self.status

    @property
    def live(self) -> bool:
        return self.status != "ended"

    @property
    def seconds_connected(self) -> float:
        """Real seconds between the answer and the end, or until now."""
        if self.connected_at is None:
            return 0.0
        return (self.disconnected_at or time.monotonic()) - self.connected_at

    @property
    def cost(self) -> float:
        return round(self.seconds_connected * DOLLARS_PER_SECOND, 6)

    @property
    def monitor_plan(self) -> Json:
        """The monitor plan of the overrides, else of the assistant."""
        for source in (self.assistant_overrides, self.assistant):
            if source and source.get("monitorPlan"):
                return dict(source["monitorPlan"])
        return {}

    @property
    def monitor(self) -> Json | None:
        """The monitor URLs; None until the call is answered, or if its plan disables both."""
        if self.connected_at is None:
            return None
        plan, monitor = self.monitor_plan, {}
        if plan.get("listenEnabled") is not False:
            monitor["listenUrl"] = f"ws{self.control_base.removeprefix('http')}/{self.id}/listen"
        if plan.get("controlEnabled") is not False:
            monitor["controlUrl"] = f"{self.control_base}/{self.id}/control"
        return monitor or None

    @property
    def control_url(self) -> str | None:
        return (self.monitor or {}).get("controlUrl")

    @property
    def max_duration_seconds(self) -> float:
        for source in (self.assistant_overrides, self.assistant):
            if source and source.get("maxDurationSeconds"):
                return float(source["maxDurationSeconds"])
        return 600.0

    def ring(self) -> None:
        self.status = self.first_status = "ringing"

    def connect(self) -> None:
        """Answer the call."""
        self.status = "in-progress"
        self.started_ms = self.updated_ms = self.clock.stamp(self.created_ms)
        self.connected_at = time.monotonic()

    def forward(self, destination: Json | None) -> None:
        """Connect the caller to another number: the assistant has left, the call goes on."""
        self.status, self.forwarded_to = "forwarding", destination
        self.updated_ms = self.clock.tick()

    def end(self, reason: str) -> bool:
        """End the call. False if it had already ended."""
        if not self.live:
            return False
        self.status, self.ended_reason = "ended", reason
        self.ended_ms = self.updated_ms = self.clock.stamp(self.created_ms)
        self.disconnected_at = time.monotonic()
        self.hung_up.set()
        return True

    def hear(self, text: str) -> None:
        self.heard.append(text)

    def messages(self, kind: str | None = None, status: str | None = None) -> list[Delivery]:
        """The deliveries of a type and status, oldest first."""
        return [
            delivery
            for delivery in self.deliveries
            if kind in (None, delivery.type) and status in (None, delivery.status)
        ]

    async def ended(self, timeout: float = 5.0) -> None:
        """Wait until the call has ended. Raises `TimeoutError`."""
        async with asyncio.timeout(timeout):
            await self.hung_up.wait()

    async def settled(self, timeout: float = 5.0) -> None:
        """Wait until the call has ended and its messages are delivered or out of retries."""
        async with asyncio.timeout(timeout):
            await self.hung_up.wait()
            while self.tasks:
                await asyncio.wait(tuple(self.tasks))

    def snapshot(self) -> Json:
        """`message.call`: a snapshot of the call's creation, so its status never changes."""
        return (
            without_absent(
                {
                    "id": self.id,
                    "orgId": self.org_id,
                    "createdAt": to_iso(self.created_ms),
                    "updatedAt": to_iso(self.created_ms),
                    "type": self.type,
                    "status": self.first_status,
                    "monitor": self.monitor,
                    **self.line(),
                    "customer": self.customer,
                    "assistantOverrides": self.assistant_overrides,
                }
            )
            | self.attached()
        )

    def resource(self) -> Json:
        """The answer to `GET /call/{id}`."""
        return without_absent(
            self.snapshot()
            | {
                "name": self.name,
                "status": self.status,
                "updatedAt": to_iso(self.updated_ms),
                "startedAt": to_iso(self.started_ms) if self.started_ms else None,
                "endedAt": to_iso(self.ended_ms) if self.ended_ms else None,
                "endedReason": self.ended_reason,
                "destination": self.forwarded_to,
                "cost": self.cost,
                "costs": [],
            }
        )

    def line(self) -> Json:
        """The call's transport; web calls have no number."""
        if self.type == "webCall":
            url = f"https://vapi.daily.co/{self.id}"
            return {"webCallUrl": url, "transport": {"provider": "daily", "callUrl": url}}
        sip = self.provider in ("vapi", "byo-phone-number")
        return {
            "phoneCallProvider": "vapi" if sip else self.provider,
            "phoneCallProviderId": self.id,
            "phoneCallTransport": "sip" if sip else "pstn",
            "transport": {"provider": "vapi.sip" if sip else self.provider, "callSid": self.id},
            "phoneNumberId": self.phone_number_id,
        }

    @property
    def customer(self) -> Json | None:
        return {"number": self.caller} if self.caller else None

    def attached(self) -> Json:
        """The resource that answers: null until known, as in recorded payloads."""
        return {
            "assistantId": (self.assistant or {}).get("id"),
            "squadId": self.squad_id,
            "workflowId": self.workflow_id,
        }


def without_absent(data: Json, keep: Iterable[str] = ()) -> Json:
    """The object without its empty fields."""
    kept = set(keep)
    return {key: value for key, value in data.items() if value is not None or key in kept}
