"""Sends `end-call` to a control URL, and records each result as a step of the call.

A control URL is a capability: its holder can end the call without us. It is never logged.
"""

from dataclasses import dataclass
from typing import NamedTuple

import structlog

from service.domain.call_events import StepRecorder, ignore_step
from service.vapi.control import ControlClient, HostileUrlError
from service.vapi.errors import VapiError, VapiNotFoundError

log = structlog.get_logger()


class SentCommands(NamedTuple):
    """The commands sent to a call in all, and whether Vapi accepted one of these now."""

    attempts: int
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class HangupCommands:
    """Commands of one replica."""

    control: ControlClient
    record_step: StepRecorder = ignore_step

    async def end_call(self, vapi_call_id: str, url: str, attempts: int) -> SentCommands:
        """Send the command, a second time on a fresh connection if the first failed.

        `attempts` were sent before. It never connects to a URL that is not Vapi's.
        """
        for _ in range(2):
            try:
                await self.control.end_call(url)
            except HostileUrlError as exc:
                self.refuse(vapi_call_id, exc)
                return SentCommands(attempts)
            except VapiNotFoundError:
                # The control host does not know it: it is over, or the URL is stale. Vapi's API decides.
                self.record_step(vapi_call_id, "hangup.unknown", {"attempt": attempts + 1})
                return SentCommands(attempts + 1)
            except VapiError as exc:
                attempts += 1
                log.warning("call.hangup_attempt_failed", call_id=vapi_call_id, error=str(exc))
                detail = {"attempt": attempts, "error": str(exc)[:200]}
                self.record_step(vapi_call_id, "hangup.failed", detail)
            else:
                log.info("call.hangup_sent", call_id=vapi_call_id, attempts=attempts + 1)
                self.record_step(vapi_call_id, "hangup.sent", {"attempt": attempts + 1})
                return SentCommands(attempts + 1, accepted=True)
        return SentCommands(attempts)

    def report_hostile(self, vapi_call_id: str, url: str | None) -> None:
        """Log a message's control URL that is not Vapi's, although Vapi's own one is used."""
        try:
            self.control.check(url or "")
        except HostileUrlError as exc:
            if url is not None:
                self.refuse(vapi_call_id, exc)

    def refuse(self, vapi_call_id: str, error: HostileUrlError) -> None:
        log.error("call.control_url_refused", call_id=vapi_call_id, error=str(error))
        self.record_step(vapi_call_id, "hangup.refused", {"error": str(error)[:200]})
