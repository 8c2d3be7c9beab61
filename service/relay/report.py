"""What the relay did and could not do: counts since the start, and one log line a second."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, get_args
from uuid import UUID

import structlog

from service.relay.queues import RelayMessage

EVERY_SECONDS = 1.0
MOST_ORGANIZATIONS = 5

DropReason = Literal["queue_full", "failed", "expired", "parked", "stopped"]
UnansweredReason = Literal["busy", "breaker_open", "timeout", "status", "unusable", "failed"]
DROP_REASONS: tuple[DropReason, ...] = get_args(DropReason)
UNANSWERED_REASONS: tuple[UnansweredReason, ...] = get_args(UnansweredReason)

log = structlog.get_logger()


@dataclass(slots=True)
class RelayReport:
    """Counts by few, fixed words; the log names organizations as well."""

    delivered: int = 0
    failed: int = 0
    dropped: Counter[tuple[bool, DropReason]] = field(default_factory=Counter)
    answered: int = 0
    unanswered: Counter[UnansweredReason] = field(default_factory=Counter)
    lines: dict[str, Counter[str]] = field(default_factory=dict)
    organizations: dict[str, set[str]] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None

    def note_failed(self, organization_id: UUID, error: str) -> None:
        """Count a delivery that failed and may be tried again."""
        self.failed += 1
        self.note("relay.failed", error, organization_id)

    def note_dropped(self, message: RelayMessage, reason: DropReason) -> None:
        """Count a message that will not be delivered."""
        self.dropped[message.is_lasting, reason] += 1
        self.note("relay.dropped", reason, message.organization_id)

    def note_uncleaned(self, organization_id: UUID) -> None:
        """Count a message that does not last and could not be cleaned."""
        self.dropped[False, "failed"] += 1
        self.note("relay.dropped", "failed", organization_id)

    def note_surplus(self, organization_id: UUID, count: int) -> None:
        """Count lasting messages that made room for newer ones."""
        self.dropped[True, "queue_full"] += count
        self.note("relay.dropped", "queue_full", organization_id)

    def note_expired(self, count: int) -> None:
        """Count lasting messages that were tried for as long as they are kept."""
        self.dropped[True, "expired"] += count

    def note_unanswered(self, organization_id: UUID, reason: UnansweredReason) -> None:
        """Count a request of Vapi that the organization's server did not answer."""
        self.unanswered[reason] += 1
        self.note("relay.unanswered", reason, organization_id)

    def note(self, event: str, reason: str, organization_id: UUID) -> None:
        """Count for the next line of the log."""
        self.lines.setdefault(event, Counter())[reason] += 1
        named = self.organizations.setdefault(event, set())
        if len(named) < MOST_ORGANIZATIONS:
            named.add(str(organization_id))
        if self.timer is None:
            self.timer = asyncio.get_running_loop().call_later(EVERY_SECONDS, self.flush)

    def flush(self) -> None:
        """Write one line for each event, and start afresh."""
        if self.timer is not None:
            self.timer.cancel()
        lines, self.lines, self.timer = self.lines, {}, None
        organizations, self.organizations = self.organizations, {}
        for event, reasons in lines.items():
            log.warning(
                event,
                count=reasons.total(),
                reasons=dict(reasons),
                organizations=sorted(organizations[event]),
            )
