"""One check of the doctor's: what it asks, how long it may take, and what is told when it cannot."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from service.store.doctor import REFUSED
from service.store.pool import UNAVAILABLE

GRACE_SECONDS = 1.0
"""What a check that is too slow gets to let go of its connection; then it is left behind."""

Level = Literal["ok", "warning", "failed"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """One thing that was examined; what is not well has a remedy."""

    name: str
    level: Level
    detail: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class CheckTarget:
    """Who is asked in a check, and what to do when no answer comes."""

    name: str
    remedy: str


POSTGRES = CheckTarget(
    "PostgreSQL", "Is it overloaded, or does a migration or a backup hold locks?"
)
VAPI = CheckTarget("Vapi", "Check VAPI_API_URL, the way out, and Vapi's status page.")
WEBHOOK_URL = CheckTarget("The webhook URL", "Check DNS, TLS and the way in.")
DISK = CheckTarget("The disk of CALLGATE_DATA_DIR", "Is it a network drive, or failing?")


@dataclass(frozen=True, slots=True)
class DoctorCheck:
    """One look at one thing. `seconds` is its deadline; without one of the variables that it
    `needs` it cannot be made."""

    name: str
    look: Callable[[], AsyncIterator[DoctorFinding]]
    asked: CheckTarget
    seconds: float
    needs: frozenset[str] = frozenset()

    async def findings(self) -> list[DoctorFinding]:
        """What was found within its time; what goes wrong meanwhile is a finding, too."""
        found: list[DoctorFinding] = []
        began = time.monotonic()
        work = asyncio.create_task(self.collect(found))
        try:
            # Not asyncio.timeout: giving back a connection that hangs may hang as well.
            await asyncio.wait({work}, timeout=self.seconds)
            on_time, took = work.done(), time.monotonic() - began
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait({work}, timeout=GRACE_SECONDS)
                # Asked for, or asyncio would complain that nobody did.
                _ = work.done() and not work.cancelled() and work.exception()
        error = work.exception() if on_time else TimeoutError()
        if error is not None:
            found.append(self.trouble(error, took))
        return found

    async def collect(self, found: list[DoctorFinding]) -> None:
        """Keep each finding as it comes, so that those before a deadline count."""
        async for finding in self.look():
            found.append(finding)  # noqa: PERF401

    def trouble(self, error: BaseException, seconds: float) -> DoctorFinding:
        """Why the check did not come to its end, and who is to blame."""
        if isinstance(error, TimeoutError):
            text = f"{self.asked.name} is too slow: no answer within {seconds:.1f} s."
            return DoctorFinding(self.name, "failed", text, self.asked.remedy)
        if isinstance(error, UNAVAILABLE):
            text = f"{self.asked.name} cannot be asked ({type(error).__name__})."
            return DoctorFinding(self.name, "failed", text, self.asked.remedy)
        if isinstance(error, REFUSED):
            remedy = "Grant the role in DATABASE_URL what it lacks, or run callgate migrate."
            return DoctorFinding(
                self.name, "failed", f"PostgreSQL refuses to tell: {error}.", remedy
            )
        log.debug("doctor.check_failed", check=self.name, exc_info=error)
        text = f"This check is broken ({type(error).__name__})."
        return DoctorFinding(self.name, "failed", text, "Report it, with the version of Callgate.")
