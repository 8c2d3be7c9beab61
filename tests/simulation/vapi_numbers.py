"""Vapi's phone numbers as a model: an API with pages, 404, 429, 5xx and lost answers; and other writers.

A request that is under way arrives whatever becomes of its sender. Every change of ours is checked when
it arrives: what is not ours must stay as others left it, unless they wrote it after we last read it.
"""

import asyncio
import random
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import orjson
from pydantic import SecretStr

from service.domain.priority import Priority
from service.store.reconcile.request_budget import Budget
from service.vapi import answers
from service.vapi.client import VapiClient
from service.vapi.errors import VapiUnavailableError
from tests.simulation.links import SERVER
from tests.simulation.loop import LIFE, VirtualLoop
from tests.simulation.number_pool import WRITING
from tests.simulation.trace import Trace
from tests.simulation.vapi_model import VapiModel, at
from tests.simulation.whose import foreign_part, owned_part

ANSWER_SECONDS = 10.0
SEEN: ContextVar[Mapping[str, int]] = ContextVar("seen", default=MappingProxyType({}))
"""The version in which this task last read each number."""

Reply = tuple[int, Any, float | None]


@dataclass(frozen=True, slots=True)
class Written:
    """A change of ours that arrived: under which fencing token, by which process."""

    moment: float
    life: str
    phone_number_id: UUID
    token: int


@dataclass(eq=False, slots=True)
class ModelNumber:
    """A number at Vapi. `version` grows with every change, `theirs_at` is that of the last one that
    was not ours; `former` is what we own as it was before our first change."""

    raw: dict[str, Any]
    version: int = 1
    theirs_at: int = 0
    moved_at: int = 0
    deleted: bool = False
    former: dict[str, Any] | None = None
    raced: bool = False
    written: list[Written] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request under way. `based_on`: the version that its sender has read."""

    method: str
    path: str
    body: Mapping[str, Any] | None
    life: str
    writing: tuple[UUID, int] | None
    based_on: int


@dataclass(eq=False)
class VapiNumbers:
    """All numbers and the faults of the API about them. `page` is how many a page holds at most."""

    loop: VirtualLoop
    chance: random.Random
    vapi: VapiModel
    trace: Trace
    page: int = 1000
    numbers: dict[str, ModelNumber] = field(default_factory=dict)
    sent: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    faults: set[str] = field(default_factory=set)

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None
    ) -> tuple[int, bytes, float | None]:
        """Send a request; raises `VapiUnavailableError` where no answer comes."""
        life, vapi_id = LIFE.get(), path.rpartition("/")[2]
        self.sent.append(self.loop.time())
        reply: asyncio.Future[Reply] = self.loop.create_future()
        name = life.name if life else "-"
        asked = Asked(method, path, body, name, WRITING.get(), SEEN.get().get(vapi_id, 0))
        self.loop.call_later(self.delay(), self.arrive, asked, reply, context=SERVER)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status, found, wait = await reply
        except TimeoutError:
            raise VapiUnavailableError("Vapi does not answer (TimeoutError).") from None
        if isinstance(found, tuple):
            found, version = found
            SEEN.set({**SEEN.get(), vapi_id: version})
        return status, orjson.dumps(found), wait

    def delay(self) -> float:
        slow = "vapi_slow" in self.faults and self.chance.random() < 0.3
        return self.chance.uniform(0.5, 4.0) if slow else self.chance.uniform(0.02, 0.15)

    def arrive(self, asked: Asked, reply: "asyncio.Future[Reply]") -> None:
        """Execute a request, unless Vapi fails before; its answer may be lost."""
        luck = self.chance.random()
        if self.vapi.down and luck < 0.3:
            return
        if self.vapi.down or ("vapi_errors" in self.faults and luck < 0.6):
            self.answer(reply, (503, {}, self.chance.choice((None, 1.0))))
        elif "vapi_throttles" in self.faults and luck < 0.6:
            self.answer(reply, (429, {}, self.chance.choice((None, 1.0, 4.0))))
        else:
            answer = self.execute(asked)
            if "vapi_loses" not in self.faults or luck > 0.5:
                self.answer(reply, answer)
            elif luck > 0.25:
                self.answer(reply, (502, {}, None))

    def answer(self, reply: "asyncio.Future[Reply]", answer: Reply) -> None:
        def deliver() -> None:
            if not reply.done():
                reply.set_result(answer)

        self.loop.call_later(self.delay(), deliver, context=SERVER)

    def execute(self, asked: Asked) -> Reply:
        """What Vapi answers: status, body (with the version where it is a number), Retry-After."""
        url = urlsplit(asked.path)
        kind, _, item = url.path.removeprefix("/").partition("/")
        if url.path == "/v2/phone-number":
            return 200, self.list_page(parse_qs(url.query)), None
        if kind == "assistant":
            one = {"id": item, "name": "Order taker"}
            return 200, one if item else [], None
        number = self.numbers.get(item)
        if kind != "phone-number" or number is None or number.deleted:
            return 404, {"message": "Not found"}, None
        if asked.method == "PATCH":
            self.change(item, number, asked)
        return 200, (dict(number.raw), number.version), None

    def list_page(self, query: Mapping[str, list[str]]) -> dict[str, Any]:
        page, limit = int(query["page"][0]), min(int(query["limit"][0]), self.page)
        shown = [number.raw for number in self.numbers.values() if not number.deleted]
        begin = (page - 1) * limit
        return {"results": shown[begin : begin + limit], "metadata": {"totalItems": len(shown)}}

    def change(self, vapi_id: str, number: ModelNumber, asked: Asked) -> None:
        """A change of ours arrives."""
        body = asked.body or {}
        before, theirs = owned_part(number.raw), foreign_part(number.raw)
        raced = asked.based_on < number.theirs_at
        number.former = before if number.former is None else number.former
        number.raced |= raced
        self.patch(number, body)
        clears = body.get("server", number) is None
        if foreign_part(number.raw, server=not clears) != {
            **theirs,
            **({"server": {}, "headers": {}} if clears else {}),
        }:
            self.trace.note("vapi.foreign_overwritten", number=vapi_id, raced=raced)
            if not raced:
                self.violations.append(f"{vapi_id}: we changed what is not ours: {theirs}")
        if asked.writing is not None:
            written = Written(self.loop.time(), asked.life, *asked.writing)
            number.written.append(written)
            self.trace.note(
                "vapi.number_written", number=vapi_id, by=asked.life, token=written.token
            )

    def patch(self, number: ModelNumber, body: Mapping[str, Any]) -> None:
        """Sent fields replace, null clears."""
        raw = {**number.raw, **body}
        number.raw = {key: value for key, value in raw.items() if value is not None}
        number.version += 1

    def add(self, vapi_id: str, **fields: Any) -> None:
        created = at(self.loop.time() - 86400 + len(self.numbers)).isoformat()
        known = {"id": vapi_id, "createdAt": created, "number": f"+1555000{len(self.numbers):04}"}
        self.numbers[vapi_id] = ModelNumber({**known, **fields})

    def write_foreign(self, vapi_id: str, kind: str, value: str) -> None:
        """Another tool changes a number."""
        number = self.numbers[vapi_id]
        if number.deleted:
            return
        server: dict[str, Any] = number.raw.get("server") or {}
        headers = {**(server.get("headers") or {}), "X-Theirs": value}
        bodies: dict[str, dict[str, Any]] = {
            "move": {"server": {"url": f"https://{value}.example.net/hook", "headers": {}}},
            "notes": {"name": value, "smsEnabled": value},
            "inside": {"server": {**server, "credentialId": value, "headers": headers}},
            "hook": {"hooks": [*number.raw.get("hooks", []), greeting(value)]},
            "delete": {},
        }
        if kind == "inside" and "url" not in server:
            return
        self.patch(number, bodies[kind])
        number.theirs_at = number.version
        if kind == "move":
            number.moved_at = number.version
        number.deleted = kind == "delete"
        self.trace.note("vapi.foreign_write", number=vapi_id, kind=kind)


def greeting(value: str) -> dict[str, Any]:
    """A ringing hook of another tool."""
    return {"on": "call.ringing", "do": [{"type": "say", "exact": f"Welcome {value}!"}]}


class NumberClient(VapiClient):
    """The real client, whose requests go to the model."""

    def __init__(self, numbers: VapiNumbers, budget: Budget) -> None:
        pace, back_off = budget.pace, budget.back_off
        super().__init__(None, "https://vapi", SecretStr("key"), pace, back_off)  # type: ignore[arg-type]
        self.numbers = numbers

    async def transmit(
        self, method: str, path: str, priority: Priority | None, body: Mapping[str, Any] | None
    ) -> bytes:
        status, content, wait = await self.numbers.request(method, path, body)
        if status == 429:
            await self.report_throttled(priority, wait)
        answers.refuse_status(status, content, wait)
        return content
