"""Ends calls under way: when their organization loses its access, where the organization wants it, and
when they exceed CALLGATE_MAX_CALL_SECONDS.

It checks PostgreSQL when an organization changes, at the instant an entitlement ends, and at
intervals, so that a missed wake-up costs time and nothing else.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import structlog

from service.access.directory import AccessDirectory
from service.access.enforcement.first_attempts import BlockedCall, FirstAttempts
from service.access.known_calls import KnownCalls
from service.access.observers.call_observers import CallObservers
from service.access.policies.combine import FAILED_REASON
from service.access.standings import AccessStandings
from service.background import BackgroundLoop
from service.domain.access_times import next_change_at
from service.domain.standing import AccessStanding
from service.store.calls.call_store import CallStore
from service.store.calls.live import CutCall
from service.store.pool import UNAVAILABLE

POLL_SECONDS = 5.0
AFTERWARDS_SECONDS = 0.02
SLACK_SECONDS = 5.0
"""How much longer than its maximum a call may last here, so that Vapi's own limit comes first."""

log = structlog.get_logger()


class CallCutter:
    """Runs in every replica; the row of a call lets only one of them end it."""

    def __init__(
        self,
        calls: CallStore,
        directory: AccessDirectory,
        standings: AccessStandings,
        *,
        attempts: FirstAttempts,
        known: KnownCalls,
        max_seconds: float | None = None,
        observers: CallObservers | None = None,
    ) -> None:
        self.observers = observers or CallObservers()
        self.calls = calls
        self.max_seconds = max_seconds
        self.directory = directory
        self.standings = standings
        self.attempts = attempts
        self.known = known
        self.woken = asyncio.Event()

    def wake(self) -> None:
        """Check soon: an organization may have changed."""
        self.woken.set()

    def background(self) -> BackgroundLoop:
        """Checks at every wake-up, and when an entitlement may end."""
        return BackgroundLoop("call_cutter", self.cut_calls, wake=self.woken, outages=UNAVAILABLE)

    async def cut_calls(self) -> float:
        """Cut calls without access; returns the seconds until the next entitlement may end."""
        as_of, owners = await self.calls.list_organizations_to_cut()
        found = await self.standings.read(owners, under_way=True) if owners else {}
        for owner, standing in found.items():
            if has_ended(standing):
                await self.cut_calls_of(owner, as_of)
        await self.cut_long_calls()
        # A message of one of these shows that it still talks, whichever replica cut it.
        self.known.cut = await self.calls.list_cut_calls()
        return min(POLL_SECONDS, self.seconds_to_change() + AFTERWARDS_SECONDS)

    async def cut_calls_of(self, owner: UUID, as_of: datetime) -> None:
        """Cut the calls of an organization that were recorded by then, if it still has no access: to ask
        for all organizations takes time, and later calls may be granted by access that is new."""
        standing = (await self.standings.read([owner], under_way=True)).get(owner)
        if standing is not None and has_ended(standing):
            cut = await self.calls.cut_calls(owner, standing.reason, as_of)
            self.hang_up(cut, standing.reason)

    async def cut_long_calls(self) -> None:
        """Cut granted calls over their maximum length. Vapi itself ends those first that it can."""
        if self.max_seconds is None:
            return
        cut = await self.calls.cut_long_calls(self.max_seconds, SLACK_SECONDS)
        self.hang_up(cut, "longest_call")

    def hang_up(self, cut: Iterable[CutCall], reason: str) -> None:
        """Log the calls that this replica cut, and hang them up at once; their jobs verify it."""
        for call in cut:
            call_id, owner = call.vapi_call_id, call.organization_id
            log.warning("call.cut", call_id=call_id, organization_id=owner, reason=reason)
            order = BlockedCall(call_id, owner, call.control_url, recorded=True, began=call.began)
            self.attempts.start(order)
            self.observers.tell_cut(call_id, owner, reason)

    def seconds_to_change(self) -> float:
        """Seconds until the access of an organization that wants its calls cut may change.

        Organizations without calls count too: a call may begin a moment before.
        """
        now, grace = self.directory.now(), self.standings.chain.renewal_grace
        instants = [
            next_change_at(entry.organization, now, grace)
            for entry in self.directory.entries.values()
            if entry.organization.handling.when_access_ends == "hang_up"
        ]
        nearest = min((one for one in instants if one is not None), default=None)
        return float("inf") if nearest is None else (nearest - now).total_seconds()


def has_ended(standing: AccessStanding) -> bool:
    """Whether access has ended, for all that is known: a policy that fails does not say so. What begins
    meanwhile can be rejected and let in later; a call that is hung up is over."""
    return not standing.allowed and standing.reason != FAILED_REASON
