"""The ladder that ends a blocked call: send the command, ask Vapi whether it is over, repeat.

A round never sleeps: waiting is a job that comes back later, so that a crash loses nothing. Commands
may be sent twice without harm; `DELETE` and `PATCH /call` hang up no call and are never used (Vapi's
documentation of the two).
"""

from dataclasses import dataclass
from typing import Protocol

import structlog

from service.domain.call_events import StepRecorder, ignore_step
from service.domain.calls import HangupState
from service.domain.priority import Priority
from service.store.calls.hangups import HangupTarget
from service.vapi.client import VapiClient
from service.vapi.control import ControlClient, HostileUrlError
from service.vapi.errors import VapiError, VapiNotFoundError
from service.vapi.resources import CallView

DELAYS = (0.7, 1.5, 3.0, 5.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds from one round to the next: about nine minutes, then a later message restarts it."""

GOODBYE_SECONDS = 1.5
SPOKEN_CHARACTERS = 14.0
"""How many characters a voice says in a second."""
LONGEST_GOODBYE_SECONDS = 15.0

log = structlog.get_logger()


class Records(Protocol):
    """Stores the state of a hang-up."""

    async def find(self, vapi_call_id: str) -> HangupTarget | None: ...

    async def record(self, vapi_call_id: str, state: HangupState, attempts: int) -> None: ...

    async def record_goodbye(self, vapi_call_id: str, seconds: float) -> None: ...


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

    async def climb(self, vapi_call_id: str, rounds: int) -> Round:
        """Run round `rounds` (from 0) for a call. Raises only when PostgreSQL is unavailable."""
        target = await self.records.find(vapi_call_id)
        if target is None or target.ended_at is not None:
            if target is not None:
                await self.records.record(
                    vapi_call_id, HangupState.CONFIRMED, target.hangup_attempts
                )
            return Round(HangupState.CONFIRMED)
        attempts, accepted = target.hangup_attempts, 0
        # A refused assistant-request has no line to cut yet; an accepted command needs confirmation.
        url = target.control_url
        if url is not None and target.goodbye is not None and rounds == 0:
            spoken = await self.say_goodbye(vapi_call_id, url, target.goodbye)
            if spoken is not None:
                await self.records.record(vapi_call_id, HangupState.PENDING, attempts + 1)
                return Round(HangupState.PENDING, spoken)
        if url is not None and rounds == 0:
            attempts, accepted = await self.command(vapi_call_id, url, attempts)
        if not accepted:
            over, fresh_url = await self.fetch_state(vapi_call_id)
            if over:
                await self.records.record(vapi_call_id, HangupState.CONFIRMED, attempts)
                log.info("call.hangup_confirmed", call_id=vapi_call_id, attempts=attempts)
                self.record_step(vapi_call_id, "hangup.confirmed", {"attempts": attempts})
                return Round(HangupState.CONFIRMED)
            url = fresh_url or (url if rounds > 0 else None)
            if url is not None:
                attempts, accepted = await self.command(vapi_call_id, url, attempts)
        return await self.finish_round(vapi_call_id, rounds, attempts, accepted > 0)

    async def say_goodbye(self, vapi_call_id: str, url: str, text: str) -> float | None:
        """Speak the reason to the caller; returns the seconds until the call should be over.

        None if Vapi rejected it: the call is then hung up silently.
        """
        seconds = min(GOODBYE_SECONDS + len(text) / SPOKEN_CHARACTERS, LONGEST_GOODBYE_SECONDS)
        # Recorded before it is spoken: later messages of the call must not cut it short.
        await self.records.record_goodbye(vapi_call_id, seconds)
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

    async def finish_round(
        self, vapi_call_id: str, rounds: int, attempts: int, accepted: bool
    ) -> Round:
        """Schedule the next round, or record the final state when the retries are exhausted."""
        delay = next_delay(rounds)
        if delay is not None:
            await self.records.record(vapi_call_id, HangupState.PENDING, attempts)
            self.record_step(
                vapi_call_id, "hangup.waiting", {"round": rounds + 1, "seconds": delay}
            )
            return Round(HangupState.PENDING, delay)
        # Every round that does not find the call over sends the command: the last one decides.
        state = HangupState.UNCONFIRMED if accepted else HangupState.FAILED
        await self.records.record(vapi_call_id, state, attempts)
        log.error("call.hangup_abandoned", call_id=vapi_call_id, state=state, attempts=attempts)
        self.record_step(
            vapi_call_id, "hangup.given_up", {"state": state.value, "attempts": attempts}
        )
        return Round(state)

    async def command(self, vapi_call_id: str, url: str, attempts: int) -> tuple[int, int]:
        """Send the command, a second time on a fresh connection if the first failed.

        Returns the attempts in all and how many Vapi accepted. It never connects to a URL that is
        not Vapi's.
        """
        for _ in range(2):
            try:
                await self.control.end_call(url)
            except HostileUrlError as exc:
                log.error("call.control_url_refused", call_id=vapi_call_id, error=str(exc))
                self.record_step(vapi_call_id, "hangup.refused", {"error": str(exc)[:200]})
                return attempts, 0
            except VapiNotFoundError:
                # The control host does not know it: it is over, or the URL is stale. Vapi's API decides.
                self.record_step(vapi_call_id, "hangup.unknown", {"attempt": attempts + 1})
                return attempts + 1, 0
            except VapiError as exc:
                attempts += 1
                log.warning("call.hangup_attempt_failed", call_id=vapi_call_id, error=str(exc))
                detail = {"attempt": attempts, "error": str(exc)[:200]}
                self.record_step(vapi_call_id, "hangup.failed", detail)
            else:
                log.info("call.hangup_sent", call_id=vapi_call_id, attempts=attempts + 1)
                self.record_step(vapi_call_id, "hangup.sent", {"attempt": attempts + 1})
                return attempts + 1, 1
        return attempts, 0

    async def fetch_state(self, vapi_call_id: str) -> tuple[bool, str | None]:
        """Ask Vapi whether the call is over; also its control URL if it is not."""
        try:
            view = CallView(await self.client.get_call(vapi_call_id, Priority.HANGUP))
        except VapiNotFoundError:
            self.record_step(vapi_call_id, "hangup.looked", {"over": True})
            return True, None
        except VapiError as exc:
            log.warning("call.check_failed", call_id=vapi_call_id, error=str(exc))
            self.record_step(vapi_call_id, "hangup.looked", {"over": None, "error": str(exc)[:200]})
            return False, None
        self.record_step(vapi_call_id, "hangup.looked", {"over": view.is_over})
        return view.is_over, view.control_url

    async def attempt_now(self, vapi_call_id: str, control_url: str | None) -> bool:
        """Make the first attempt while PostgreSQL is away.

        True if Vapi accepted a command or none is needed. Never raises. The job follows from the
        spool when PostgreSQL is back.
        """
        accepted = 0
        if control_url is not None:
            _, accepted = await self.command(vapi_call_id, control_url, 0)
        if not accepted:
            over, url = await self.fetch_state(vapi_call_id)
            if over:
                return True
            if url is not None:
                _, accepted = await self.command(vapi_call_id, url, 0)
        return bool(accepted)
