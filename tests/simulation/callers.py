"""Vapi's side of a call: the messages that it posts, repeated and reordered, until it is answered."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal
from uuid import UUID

from service.access.rulings import Ruling
from service.store.calls.writer import RecordsUnavailableError
from service.store.pool import UNAVAILABLE
from service.vapi.message_types import ASSISTANT_REQUEST, END_OF_CALL_REPORT, STATUS_UPDATE
from service.vapi.messages import ServerMessage
from tests.simulation.loop import VirtualLoop
from tests.simulation.replica import SimReplica
from tests.simulation.story import PlannedCall
from tests.simulation.trace import Trace
from tests.simulation.vapi_model import (
    CONTROL,
    REFUSED_SECONDS,
    ModelCall,
    VapiModel,
    at,
    cost_of,
)

ATTEMPTS = 7
PATIENCE_SECONDS = 20.0
"""How long Vapi waits for an answer; 7.5 s for an assistant-request."""

NAMES_OTHER = 0.35
"""How often a message of a contested call names the other organization's number."""

HEARD_SECONDS = 5.0
"""How long the replicas have to hear of a second organization, and Vapi to tell whose call it is."""

Kind = Literal["request", "progress", "update", "ended", "report"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a message: 200 or 403, by which replica, and which decision it names.

    `informed_at`: every change before this moment had reached the replica. `number_id`: the number that
    the message named.
    """

    moment: float
    call_id: str
    kind: Kind
    allowed: bool
    decision_id: str
    where: str
    informed_at: float
    number_id: str


@dataclass(eq=False)
class Callers:
    """All callers, and the part of Vapi that reports on their calls."""

    loop: VirtualLoop
    chance: random.Random
    vapi: VapiModel
    replicas: list[SimReplica]
    trace: Trace
    owners: Mapping[str, UUID]
    """The organizations of the numbers."""
    answers: list[Answer] = field(default_factory=list)
    probes: list[Answer] = field(default_factory=list)
    """The answers of every replica about contested calls, once the faults are over."""
    failures: list[str] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, planned: PlannedCall) -> None:
        """A call from its beginning to its end."""
        await asyncio.sleep(planned.begins - self.loop.time())
        call = self.vapi.add(
            planned.id, planned.number_id, planned.hidden, planned.deaf, planned.other_number_id
        )
        self.trace.note("vapi.call_began", call=call.id, number=call.number_id)
        if planned.asks and not await self.ask(call):
            return
        self.post(call, "progress")
        for moment in planned.updates:
            self.loop.call_later(moment, self.post_update, call)
        self.loop.call_later(planned.lasts, self.vapi.end, call, "customer-ended-call")
        reason = await call.ended
        self.trace.note("vapi.call_ended", call=call.id, reason=reason)
        self.post(call, "ended")
        self.post(call, "report")

    async def ask(self, call: ModelCall) -> bool:
        """Ask which assistant answers; a refused call ends once the refusal is spoken."""
        answer = await self.deliver(call, "request", attempts=1)
        if answer is not None and answer.allowed:
            return True
        if answer is None:
            self.vapi.end(call, "assistant-request-failed")
            return False
        await asyncio.sleep(REFUSED_SECONDS)
        self.vapi.end(call, "assistant-request-returned-error")
        self.post(call, "report")
        return False

    def post_update(self, call: ModelCall) -> None:
        if call.live:
            self.post(call, "update")

    def post(self, call: ModelCall, kind: Kind) -> None:
        """Post a message beside everything else, and at times twice."""
        copies = 2 if self.chance.random() < 0.1 else 1
        for _ in range(copies):
            task = self.loop.create_task(self.deliver_soon(call, kind))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def deliver_soon(self, call: ModelCall, kind: Kind) -> None:
        await asyncio.sleep(self.chance.choice((0.01, 0.05, 0.05, 0.4)) * self.chance.random())
        await self.deliver(call, kind, attempts=ATTEMPTS)

    async def deliver(self, call: ModelCall, kind: Kind, attempts: int) -> Answer | None:
        """Post until a replica answers, with Vapi's growing pauses."""
        number = call.number_id
        if call.other_number_id and kind != "request" and self.chance.random() < NAMES_OTHER:
            number = call.other_number_id
        message = self.message(call, kind, number)
        for attempt in range(attempts):
            replica = self.chance.choice(self.replicas)
            informed_at = replica.informed_at
            ruling = await self.post_once(replica, message)
            if ruling is not None and replica.life is not None:
                answer = Answer(
                    self.loop.time(),
                    call.id,
                    kind,
                    ruling.allowed,
                    ruling.decision_id,
                    replica.life.name,
                    informed_at,
                    number,
                )
                self.answers.append(answer)
                status = 200 if ruling.allowed else 403
                by = replica.life.name
                self.trace.note(f"answer {status}", call=call.id, kind=kind, by=by, number=number)
                return answer
            await asyncio.sleep(min(2.0**attempt, 10.0) * self.chance.uniform(0.5, 1.0))
        self.trace.note("vapi.message_dropped", call=call.id, kind=kind)
        return None

    async def post_once(self, replica: SimReplica, message: ServerMessage) -> Ruling | None:
        """One request to one replica; None for a 503, a reset or a time-out."""
        patience = 7.5 if message.type == ASSISTANT_REQUEST else PATIENCE_SECONDS
        try:
            async with asyncio.timeout(patience):
                return await replica.handle(message, self.proved(message))
        except RecordsUnavailableError:
            return None
        except TimeoutError:
            self.trace.note("answer none", call=message.call_id)
            return None
        except UNAVAILABLE as exc:
            self.trace.note("answer 503", call=message.call_id, error=type(exc).__name__)
            return None
        except Exception as exc:
            self.trace.note("answer 500", call=message.call_id, error=repr(exc))
            self.failures.append(f"{message.call_id}: answered 500 with {exc!r}")
            return None

    def proved(self, message: ServerMessage) -> UUID | None:
        """The organization whose own secret a message carries; None: the master, which proves all."""
        own = has_own_secrets(message.call_id or "")
        return self.owners[message.phone_number_ids[0]] if own else None

    async def probe(self) -> None:
        """Post a message about every contested call to each replica, for each of the two numbers.

        Calls that are over are among them: their messages may be late.
        """
        since = self.loop.time() - HEARD_SECONDS
        for call in list(self.vapi.calls.values()):
            named = {
                one.number_id
                for one in self.answers
                if one.call_id == call.id and one.moment < since
            }
            if len(named) < 2:
                continue
            for replica in self.replicas:
                for number in (call.number_id, call.other_number_id):
                    assert number is not None
                    ruling = await self.post_once(replica, self.message(call, "update", number))
                    if ruling is None or replica.life is None:
                        continue
                    answer = Answer(
                        self.loop.time(),
                        call.id,
                        "update",
                        ruling.allowed,
                        ruling.decision_id,
                        replica.life.name,
                        replica.informed_at,
                        number,
                    )
                    self.probes.append(answer)
                    where = {"by": answer.where, "number": number}
                    self.trace.note("probe", call=call.id, allowed=answer.allowed, **where)

    def message(self, call: ModelCall, kind: Kind, number: str) -> ServerMessage:
        """A message about a call that names a number, as Vapi states it now."""
        ends = kind in ("ended", "report") and call.ended_at is not None
        # Who forges a message with an own secret does not know the URL of another's call.
        hides_url = number != call.number_id and has_own_secrets(call.id)
        return ServerMessage(
            type={
                "request": ASSISTANT_REQUEST,
                "report": END_OF_CALL_REPORT,
                "update": "conversation-update",
            }.get(kind, STATUS_UPDATE),
            has_call=True,
            call_id=call.id,
            call_type="inboundPhoneCall",
            phone_number_ids=(number,),
            status={"progress": "in-progress", "ended": "ended"}.get(kind),
            control_url=None if kind == "request" or hides_url else CONTROL + call.id,
            at=at(self.loop.time()),
            created_at=at(call.began),
            started_at=None if kind == "request" else at(call.began),
            ended_at=at(call.ended_at) if ends and call.ended_at is not None else None,
            ended_reason=call.ended.result() if ends else None,
            duration_seconds=duration_of(call) if kind == "report" else None,
            cost=Decimal(str(cost_of(call))) if kind == "report" else None,
        )


def has_own_secrets(call_id: str) -> bool:
    """Whether the messages of a call carry the secrets of the organizations that they name: of half."""
    return int(call_id.rpartition("-")[2]) % 2 == 0


def duration_of(call: ModelCall) -> float:
    assert call.ended_at is not None
    return call.ended_at - call.began
