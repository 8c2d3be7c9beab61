"""The ladder that ends a blocked call: ask Vapi whose it is and whether it is over, command, repeat.
Only the very first command may go out before Vapi is asked, where the control URL is proved.

A round never sleeps: waiting is a job that comes back later, so that a crash loses nothing. The call's
row counts the rounds and says who runs one. Commands may be sent twice without harm; `DELETE` and
`PATCH /call` hang up no call and are never used (Vapi's documentation of the two).
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog

from service.access.database_clock import DatabaseClock
from service.access.enforcement.call_answer import CallAnswer, proved_end
from service.access.enforcement.hangup_commands import HangupCommands, SentCommands
from service.access.observers.call_observers import CallObservers
from service.domain.call_events import StepRecorder, ignore_step
from service.domain.calls import CallEnd, HangupState
from service.domain.priority import Priority
from service.store.calls.hangups import HangupTarget, RoundResult
from service.vapi.calls.view import CallView
from service.vapi.client import VapiClient
from service.vapi.control import ControlClient, HostileUrlError
from service.vapi.errors import VapiError, VapiNotFoundError

DELAYS = (0.7, 1.5, 3.0, 5.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds from one round to the next: about nine minutes, then a later message restarts it."""
ASK_SECONDS = 1.0
"""How long the first command waits for Vapi to tell whose call it is. The control URL of the message is
used if Vapi does not tell: with that URL its sender could end the call as well."""
HEAD_START_SECONDS = 0.2
"""How long a first command that need not wait for Vapi's word has before Vapi is asked beside it."""
GOODBYE_SECONDS = 1.5
BUSY_SECONDS = 0.7
"""How soon a job looks again after a round that another replica runs."""
SPOKEN_CHARACTERS = 14.0
"""How many characters a voice says in a second."""
LONGEST_GOODBYE_SECONDS = 15.0

Sending = asyncio.Task[SentCommands]
Asked = Awaitable[CallAnswer]

log = structlog.get_logger()


class Records(Protocol):
    """Stores the state of a hang-up, and corrects whose call it is by Vapi's word. `record` is False for
    a round that came too late: another was counted in its place, or the rounds began anew."""

    async def find(self, vapi_call_id: str) -> HangupTarget | None: ...

    async def claim(self, vapi_call_id: str) -> bool: ...

    async def record(self, vapi_call_id: str, result: RoundResult) -> bool: ...

    async def record_goodbye(self, vapi_call_id: str, seconds: float) -> bool: ...

    async def record_end(self, end: CallEnd) -> None: ...

    async def settle(self, vapi_call_id: str, view: CallView) -> None: ...

    def owns(self, organization_id: UUID | None, view: CallView) -> bool: ...


@dataclass(frozen=True, slots=True)
class Round:
    """The result of a round: final, or to be retried after `retry_after` seconds."""

    state: HangupState
    retry_after: float | None = None


def next_delay(rounds: int) -> float | None:
    """Seconds until round `rounds` + 1, or None when the retries are exhausted."""
    return DELAYS[rounds] if rounds < len(DELAYS) else None


@dataclass(frozen=True, slots=True)
class HangupLadder:
    """Runs one round for one call."""

    client: VapiClient
    control: ControlClient
    records: Records
    record_step: StepRecorder = ignore_step
    clock: DatabaseClock = field(default_factory=DatabaseClock)
    observers: CallObservers = field(default_factory=CallObservers)

    @property
    def commands(self) -> HangupCommands:
        return HangupCommands(self.control, self.record_step)

    async def climb(
        self, vapi_call_id: str, *, claimed: bool = False, asked_before: int = 0
    ) -> Round:
        """Run the next round for a call. Raises only when PostgreSQL is unavailable.

        `claimed`: the caller holds the claim on it. `asked_before`: how often Vapi was asked whose call
        it is, where nothing is to be hung up.
        """
        target = await self.records.find(vapi_call_id)
        if target is None:
            return Round(HangupState.CONFIRMED)
        if target.end_proved:
            result = RoundResult(HangupState.CONFIRMED, target.hangup_attempts)
            await self.records.record(vapi_call_id, result)
            return Round(HangupState.CONFIRMED)
        if target.hangup_state is None:
            target = replace(target, rounds=asked_before)
        elif target.quiet_seconds > 0:
            return Round(HangupState.PENDING, target.quiet_seconds)
        elif not claimed and not await self.records.claim(vapi_call_id):
            return Round(HangupState.PENDING, min(max(target.claimed_seconds, 0.1), BUSY_SECONDS))
        return await self.run_round(target)

    async def run_first_round(self, target: HangupTarget, asked: Asked | None = None) -> Round:
        """The round of the replica that recorded the call. Where the control URL is proved the command
        goes out at once; then Vapi is asked as in any round, whose the call is and whether it is over.

        `asked`: the question to Vapi, if it went ahead.
        """
        if target.control_url is None or not target.commands_first:
            return await self.run_round(target, asked=asked)
        command = self.commands.end_call(target.vapi_call_id, target.control_url, 0)
        sending = asyncio.create_task(command)
        try:
            await asyncio.wait({sending}, timeout=HEAD_START_SECONDS)
            return await self.run_round(target, sending)
        finally:
            sending.cancel()

    async def run_round(
        self, target: HangupTarget, sending: Sending | None = None, asked: Asked | None = None
    ) -> Round:
        """Ask Vapi, then confirm the end or command it. `sending`: a command to the target's own URL is
        on its way, or was sent."""
        vapi_call_id, rounds = target.vapi_call_id, target.rounds
        seconds = ASK_SECONDS if rounds == 0 else None
        answer = await (asked or self.fetch_state(vapi_call_id, seconds, target.began))
        if answer.view is not None and (target.unsettled or not target.owner_checked):
            await self.records.settle(vapi_call_id, answer.view)
        current = await self.records.find(vapi_call_id)
        if current is None:
            # Not to be hung up after all: the call is another organization's, or the hang-up was
            # withdrawn while Vapi was asked.
            return Round(HangupState.CONFIRMED)
        target = replace(current, rounds=rounds)
        if sending is not None and sending.done():
            target = replace(target, hangup_attempts=sending.result().attempts)
        if end := proved_end(vapi_call_id, target, answer, self.clock.now()):
            if sending is not None:
                target = replace(target, hangup_attempts=await count_sent(sending))
            return await self.confirm(end, target, sent=sending is not None)
        if target.hangup_state is None or (target.organization_id is None and not answer.view):
            return await self.ask_later(target)
        return await self.hang_up(target, answer, sending)

    async def hang_up(
        self, target: HangupTarget, answer: CallAnswer, sending: Sending | None
    ) -> Round:
        """Send the command to the control URL that Vapi gives, else to that of the message."""
        vapi_call_id, url = target.vapi_call_id, answer.control_url or target.control_url
        if target.rounds == 0 and target.control_url != url and sending is None:
            self.commands.report_hostile(vapi_call_id, target.control_url)
        attempts = target.hangup_attempts
        if url is not None and target.goodbye is not None and attempts == 0:
            spoken = await self.say_goodbye(vapi_call_id, url, target.goodbye)
            if spoken is not None:
                result = RoundResult(HangupState.PENDING, 1, True, target.rounds + 1, spoken)
                await self.records.record(vapi_call_id, result)
                return Round(HangupState.PENDING, spoken)
        sent = SentCommands(attempts)
        if sending is not None and url == target.control_url:
            sent = await sending
        elif url is not None:
            sent = await self.commands.end_call(vapi_call_id, url, attempts)
        return await self.finish_round(target, sent.attempts, sent.accepted)

    async def confirm(self, end: CallEnd, target: HangupTarget, *, sent: bool) -> Round:
        """Record the end with Vapi's own figures; the hang-up is thereby confirmed. `sent`: this round
        sent a command, which is counted before: what reads the end reads how it came about."""
        call_id, attempts = end.vapi_call_id, target.hangup_attempts
        if sent:
            rounds, delay = target.rounds + 1, next_delay(target.rounds)
            counted = RoundResult(HangupState.PENDING, attempts, rounds=rounds, due_in=delay)
            await self.records.record(call_id, counted)
        await self.records.record_end(end)
        if target.hangup_state is not None:
            log.info("call.hangup_confirmed", call_id=call_id, attempts=attempts)
            self.record_step(call_id, "hangup.confirmed", {"attempts": attempts})
            self.observers.tell_ended(end, target.organization_id, hung_up=True)
        return Round(HangupState.CONFIRMED)

    async def ask_later(self, target: HangupTarget) -> Round:
        """Ask Vapi again whose call it is; without its word no call of a doubtful owner is hung up."""
        call_id, delay = target.vapi_call_id, next_delay(target.rounds)
        state = HangupState.PENDING if delay is not None else HangupState.FAILED
        if delay is None:
            log.error("call.owner_unsettled", call_id=call_id)
        if target.hangup_state is not None:
            attempts, rounds = target.hangup_attempts, target.rounds + 1
            result = RoundResult(state, attempts, rounds=rounds, due_in=delay)
            if not await self.records.record(call_id, result):
                return Round(HangupState.PENDING, BUSY_SECONDS)
        return Round(state, delay)

    async def say_goodbye(self, vapi_call_id: str, url: str, text: str) -> float | None:
        """Speak the reason to the caller; returns the seconds until the call should be over.

        None if Vapi rejected it: the call is then hung up silently.
        """
        seconds = min(GOODBYE_SECONDS + len(text) / SPOKEN_CHARACTERS, LONGEST_GOODBYE_SECONDS)
        # Recorded before it is spoken: later messages of the call must not cut it short.
        if not await self.records.record_goodbye(vapi_call_id, seconds):
            return None
        try:
            await self.control.say_goodbye(url, text)
        except (HostileUrlError, VapiError) as exc:
            log.warning("call.goodbye_failed", call_id=vapi_call_id, error=str(exc))
            self.record_step(vapi_call_id, "goodbye.failed", {"error": str(exc)[:200]})
            await self.records.record_goodbye(vapi_call_id, 0.0)
            return None
        log.info("call.goodbye_sent", call_id=vapi_call_id, seconds=round(seconds, 1))
        self.record_step(vapi_call_id, "goodbye.sent", {"seconds": round(seconds, 1)})
        return seconds

    async def finish_round(self, target: HangupTarget, attempts: int, accepted: bool) -> Round:
        """Schedule the next round, or record the final state when the retries are exhausted."""
        vapi_call_id, rounds = target.vapi_call_id, target.rounds + 1
        delay = next_delay(target.rounds)
        if delay is not None:
            result = RoundResult(HangupState.PENDING, attempts, accepted, rounds, delay)
            if not await self.records.record(vapi_call_id, result):
                return Round(HangupState.PENDING, BUSY_SECONDS)
            self.record_step(vapi_call_id, "hangup.waiting", {"round": rounds, "seconds": delay})
            return Round(HangupState.PENDING, delay)
        # Every round that does not find the call over sends the command: the last one decides.
        state = HangupState.UNCONFIRMED if accepted else HangupState.FAILED
        result = RoundResult(state, attempts, accepted, rounds)
        if not await self.records.record(vapi_call_id, result):
            return Round(HangupState.PENDING, BUSY_SECONDS)
        log.error("call.hangup_abandoned", call_id=vapi_call_id, state=state, attempts=attempts)
        self.record_step(
            vapi_call_id, "hangup.given_up", {"state": state.value, "attempts": attempts}
        )
        return Round(state)

    async def fetch_state(
        self, vapi_call_id: str, seconds: float | None = None, began: datetime | None = None
    ) -> CallAnswer:
        """Ask Vapi for the call, waiting at most `seconds` (None: as long as any request)."""
        try:
            async with asyncio.timeout(seconds):
                view = CallView(await self.client.get_call(vapi_call_id, Priority.HANGUP, began))
        except VapiNotFoundError:
            self.record_step(vapi_call_id, "hangup.looked", {"missing": True})
            return CallAnswer(missing=True)
        except (VapiError, TimeoutError) as exc:
            error = str(exc)[:200] or "no answer in time"
            log.warning("call.check_failed", call_id=vapi_call_id, error=error)
            self.record_step(vapi_call_id, "hangup.looked", {"over": None, "error": error})
            return CallAnswer()
        self.record_step(vapi_call_id, "hangup.looked", {"over": view.is_over})
        return CallAnswer(view)


async def count_sent(sending: Sending) -> int:
    """How many commands were sent to a call that is over by now. One that is still under way is answered
    in a moment, or counts as sent: it may well be what ended the call."""
    await asyncio.wait({sending}, timeout=HEAD_START_SECONDS)
    return sending.result().attempts if sending.done() else 1
