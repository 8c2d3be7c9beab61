"""One check of the doctor: what it asks, its deadline, and its finding when it cannot complete."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from service.domain.condition_kinds import Severity
from service.domain.conditions import Condition, condition
from service.store.doctor import REFUSED
from service.store.pool import UNAVAILABLE

GRACE_SECONDS = 1.0
"""How long a check past its deadline may take to release its connection."""

Level = Literal["ok", "note", "warning", "failed"]
"""`note`: a fact to know, neither good nor a warning: no operator can change it, it passes by itself, or
only the operator knows whether it matters."""

LEVELS: dict[Severity, Level] = {"error": "failed", "warning": "warning", "notice": "warning"}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """One thing that was examined. A finding that is not ok is a condition of `kind`.

    `link` is the page that solves it, below the panel's root."""

    name: str
    level: Level
    detail: str
    remedy: str | None = None
    kind: str | None = None
    link: str = ""

    @classmethod
    def ok(cls, name: str, detail: str) -> "DoctorFinding":
        return cls(name, "ok", detail)

    @classmethod
    def note(cls, name: str, detail: str, link: str = "") -> "DoctorFinding":
        return cls(name, "note", detail, link=link)

    @classmethod
    def of(cls, name: str, found: Condition, detail: str | None = None) -> "DoctorFinding":
        """A condition as a finding; `detail` names one object that has it."""
        return cls(
            name, LEVELS[found.severity], detail or found.text, found.remedy, found.kind, found.link
        )


@dataclass(frozen=True, slots=True)
class CheckTarget:
    """The system that a check asks, and what to do when it does not answer."""

    name: str
    remedy: str


POSTGRES = CheckTarget(
    "PostgreSQL", "Check whether it is overloaded, or whether a migration or a backup holds locks."
)
VAPI = CheckTarget("Vapi", "Check VAPI_API_URL, outgoing connections, and Vapi's status page.")
WEBHOOK_URL = CheckTarget("The webhook URL", "Check DNS, TLS and incoming connections.")
PLUGINS = CheckTarget("The plugins of policies", "Remove the one that hangs when it is imported.")
DISK = CheckTarget(
    "The disk of CALLGATE_DATA_DIR", "Check whether it is a network drive, or failing."
)


@dataclass(frozen=True, slots=True)
class DoctorCheck:
    """One check. `seconds` is its deadline; it cannot run while a setting in `needs` is invalid."""

    name: str
    examine: Callable[[], AsyncIterator[DoctorFinding]]
    target: CheckTarget
    seconds: float
    needs: frozenset[str] = frozenset()

    async def findings(self) -> list[DoctorFinding]:
        """All findings before the deadline; an error or the deadline itself is a finding too."""
        found: list[DoctorFinding] = []
        began = time.monotonic()
        work = asyncio.create_task(self.collect(found))
        try:
            # Not asyncio.timeout: releasing a connection that hangs may hang as well.
            await asyncio.wait({work}, timeout=self.seconds)
            on_time, took = work.done(), time.monotonic() - began
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait({work}, timeout=GRACE_SECONDS)
                # Retrieved, or asyncio would log that the exception never was.
                _ = work.done() and not work.cancelled() and work.exception()
        error = work.exception() if on_time else TimeoutError()
        if error is not None:
            found.append(DoctorFinding.of(self.name, self.explain(error, took)))
        return found

    async def collect(self, found: list[DoctorFinding]) -> None:
        """Keep each finding as it comes, so that those before the deadline count."""
        async for finding in self.examine():
            found.append(finding)  # noqa: PERF401

    def explain(self, error: BaseException, seconds: float) -> Condition:
        """Why the check did not complete."""
        target, remedy = self.target.name, self.target.remedy
        name = type(error).__name__
        if isinstance(error, TimeoutError):
            return condition("check_slow", target=target, seconds=f"{seconds:.1f}", remedy=remedy)
        if isinstance(error, UNAVAILABLE):
            return condition("check_unavailable", target=target, error=name, remedy=remedy)
        if isinstance(error, REFUSED):
            return condition("check_denied", error=error)
        log.debug("doctor.check_failed", check=self.name, exc_info=error)
        return condition("check_broken", error=name)
