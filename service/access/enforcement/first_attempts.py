"""The first round of a hang-up, made at once by the replica that orders it, from what it has in hand.

The job in the queue is what survives this process: it begins a little later, finds what was done here,
and verifies the end. Each step is recorded as well as it goes; the command to Vapi waits for no record.
A goodbye alone does, for a second: messages would cut short one that is not recorded.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import structlog

from service.access.enforcement.call_answer import CallAnswer
from service.access.enforcement.hangup_ladder import ASK_SECONDS, HangupLadder, Records
from service.domain.calls import CallEnd, HangupState, NewCall
from service.store.bounded import at_most
from service.store.calls.hangups import HangupTarget, RoundResult
from service.store.pool import UNAVAILABLE
from service.vapi.calls.view import CallView

RECORD_SECONDS = 1.0
"""How long a step waits for its record; no command to Vapi waits for one, except a goodbye."""

Result = TypeVar("Result")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BlockedCall:
    """A call to be hung up, as this replica knows it. `control_url` is a capability: never log it.

    `recorded`: PostgreSQL has the order, and the claim on its first round is this replica's.
    `url_proved` as of a `NewCall`, `began` of a `HangupTarget`.
    """

    vapi_call_id: str
    organization_id: UUID | None
    control_url: str | None = None
    goodbye: str | None = None
    recorded: bool = False
    url_proved: bool = False
    began: datetime | None = None

    def target(self) -> HangupTarget:
        """What the ladder needs. Without a record no goodbye: later messages would cut it short. And no
        command without Vapi's word: PostgreSQL may know the call as another organization's."""
        return HangupTarget(
            vapi_call_id=self.vapi_call_id,
            organization_id=self.organization_id,
            control_url=self.control_url,
            end_proved=False,
            hangup_state=HangupState.PENDING,
            hangup_attempts=0,
            gate="event",
            goodbye=self.goodbye if self.recorded else None,
            url_proved=self.url_proved and self.recorded,
            began=self.began,
        )


@dataclass(slots=True)
class FirstAttempts:
    """Makes the first attempts of one replica, one at a time for a call."""

    ladder: HangupLadder
    running: set[str] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    asking: dict[str, asyncio.Task[CallAnswer]] = field(default_factory=dict)

    @contextmanager
    def asking_ahead(self, call: NewCall) -> Iterator[None]:
        """Ask Vapi about a call that is to be hung up while it is being recorded: a question acts on
        nothing. The answer is dropped if no attempt begins meanwhile: another decision was first.
        """
        call_id = call.vapi_call_id
        target = blocked_call(call, recorded=True).target()
        if call.hangup_after_seconds != 0 or target.commands_first or call_id in self.asking:
            yield
            return
        asking = asyncio.create_task(self.ladder.fetch_state(call_id, ASK_SECONDS, target.began))
        self.asking[call_id] = asking
        try:
            yield
        finally:
            if self.asking.pop(call_id, None) is not None:
                asking.cancel()

    def start(self, call: BlockedCall) -> None:
        """Make the attempt beside whatever goes on; one that is under way stays the only one."""
        if call.vapi_call_id in self.running:
            return
        self.running.add(call.vapi_call_id)
        task = asyncio.create_task(self.attempt(call, self.asking.pop(call.vapi_call_id, None)))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def attempt(self, call: BlockedCall, asked: asyncio.Task[CallAnswer] | None) -> None:
        """Run the round, with the answer to what was asked ahead. Never raises."""
        records = RememberedRecords(call.target(), self.ladder.records, call.recorded)
        try:
            ladder = replace(self.ladder, records=records)
            await ladder.run_first_round(records.target_at_first, asked)
            await records.finish()
        except Exception:
            log.exception("call.hangup_failed", call_id=call.vapi_call_id)
        finally:
            self.running.discard(call.vapi_call_id)

    async def drain(self, seconds: float) -> None:
        """Wait for what runs, at most `seconds`."""
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=seconds)


class RememberedRecords(Records):
    """The state of one hang-up in memory, in front of PostgreSQL, which may be away."""

    def __init__(self, target: HangupTarget, stored: Records, recorded: bool) -> None:
        self.target_at_first = target
        self.target: HangupTarget | None = target
        self.stored = stored
        self.recorded = recorded
        self.settling: asyncio.Task[object] | None = None

    async def find(self, vapi_call_id: str) -> HangupTarget | None:
        return self.target if vapi_call_id == self.target_at_first.vapi_call_id else None

    async def claim(self, vapi_call_id: str) -> bool:
        return vapi_call_id == self.target_at_first.vapi_call_id

    async def record(self, vapi_call_id: str, result: RoundResult) -> bool:
        done = await self.store(lambda: self.stored.record(vapi_call_id, result))
        return done is not False

    async def record_goodbye(self, vapi_call_id: str, seconds: float) -> bool:
        done = await self.store(lambda: self.stored.record_goodbye(vapi_call_id, seconds))
        return bool(done)

    async def record_end(self, end: CallEnd) -> None:
        await self.store(lambda: self.stored.record_end(end))

    async def settle(self, vapi_call_id: str, view: CallView) -> None:
        """Judge by memory whose call it is, and have the record corrected meanwhile.

        Another organization's call is left to the job, which knows its decision.
        """
        target = self.target_at_first
        self.target = target if self.owns(target.organization_id, view) else None
        if self.recorded:
            settling = self.store(lambda: self.stored.settle(vapi_call_id, view))
            self.settling = asyncio.create_task(settling)

    def owns(self, organization_id: UUID | None, view: CallView) -> bool:
        return self.stored.owns(organization_id, view)

    async def store(self, write: Callable[[], Awaitable[Result]]) -> Result | None:
        """Write within a second; None if PostgreSQL is away or has no row of the call yet."""
        if not self.recorded:
            return None
        try:
            async with at_most(RECORD_SECONDS):
                return await write()
        except UNAVAILABLE as exc:
            log.warning("call.hangup_step_not_recorded", error=type(exc).__name__)
            return None

    async def finish(self) -> None:
        """Wait until the owner is settled: the next round finds it so."""
        if self.settling is not None:
            await self.settling


def blocked_call(call: NewCall, *, recorded: bool) -> BlockedCall:
    """A call to be hung up, as its message tells."""
    call_id, owner = call.key
    return BlockedCall(
        call_id,
        owner,
        call.control_url,
        call.goodbye,
        recorded,
        url_proved=call.url_proved,
        began=call.started_at,
    )
