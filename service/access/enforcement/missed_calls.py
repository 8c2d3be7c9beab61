"""Finds missed events: compares Vapi's list of calls with ours at intervals.

A call that is open here and over at Vapi is closed. A call of a registered number that no message
reported is recorded as `missed`, and hung up if it is blocked and live. A call that our ringing hook
stopped causes no message at all: it is recorded here.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from policies.contract import Effect
from service.access.directory import AccessDirectory, Registration
from service.access.enforcement.call_answer import end_shown
from service.access.enforcement.call_owners import CallOwners
from service.access.enforcement.first_attempts import BlockedCall, FirstAttempts
from service.access.known_calls import KnownCalls, decision_of
from service.access.observers.call_observers import CallObservers
from service.background import BackgroundLoop
from service.domain.calls import CallEnd, GateName, NewCall, Refusal
from service.domain.decisions import Decision
from service.domain.priority import Priority
from service.store.calls.call_store import CallStore
from service.store.calls.watch import CallListFindings, WatchedCall
from service.store.leases import holding
from service.store.pool import UNAVAILABLE
from service.vapi.calls.view import CallView
from service.vapi.client import VapiClient
from service.vapi.elements import SHAPE_ERRORS
from service.vapi.errors import VapiError, VapiNotFoundError
from service.vapi.hooks import RING_REASON
from service.vapi.message_types import NOT_BEGUN

OVERLAP = timedelta(minutes=10)
"""How far each comparison reaches back before the last one. The list has a call from its beginning on,
so later events of it are seen for this long; after that each call is checked individually."""
GRACE = timedelta(seconds=30)
"""How old a call has to be before a missing message counts as missed; and how long ago a reported end
has to be before a list contradicts it: a list may be older than the report that came meanwhile."""
MOST_CALLS = 100_000
"""Of one comparison: 150 calls a second, which is what one installation should have at most."""
MOST_OLD = 5
POLL_SECONDS = 10.0
RING_GATE = "ring_gate"

log = structlog.get_logger()


class CallWatch:
    """Compares every `interval` seconds (0: never), one replica at a time."""

    def __init__(
        self,
        calls: CallStore,
        client: VapiClient,
        directory: AccessDirectory,
        interval: float,
        owners: CallOwners,
        *,
        attempts: FirstAttempts,
        known: KnownCalls,
        grace: timedelta = GRACE,
        observers: CallObservers | None = None,
    ) -> None:
        self.observers = observers or CallObservers()
        self.owners = owners
        self.attempts = attempts
        self.known = known
        self.calls = calls
        self.client = client
        self.directory = directory
        self.interval = interval
        self.grace = grace

    def background(self) -> list[BackgroundLoop]:
        """Compares whenever it is due; no loop with an interval of 0."""
        if not self.interval:
            return []
        return [BackgroundLoop("call_watch", self.turn, outages=UNAVAILABLE)]

    async def turn(self) -> float:
        """Compare if it is due; returns the seconds until the next comparison may be due."""
        await self.compare_if_due()
        return min(max(await self.calls.get_seconds_to_watch(), 0.1), POLL_SECONDS)

    async def compare_if_due(self) -> None:
        """Compare once, under a claim. A failed request to Vapi changes nothing."""
        began = asyncio.get_running_loop().time()
        claimed = await self.calls.claim_watch()
        if claimed is None:
            return
        claim, seen_until, now = claimed
        found = CallListFindings()
        try:
            async with holding(lambda: self.calls.renew_watch(claim), began):
                since = seen_until - OVERLAP
                await self.compare_list(since, found)
                await self.check_old_calls(since)
            found.reached = None if found.gap else now
        except VapiError as exc:
            if found.calls:
                found.gap = f"Vapi's list of calls is incomplete: {exc}"
            log.warning("call_watch.unanswered", error=str(exc))
        finally:
            await self.calls.release_watch(claim, self.interval, found)

    async def compare_list(self, since: datetime, found: CallListFindings) -> None:
        """Compare every call that began since, page by page, newest first. What the list does not show
        is judged by `check_old_calls` alone, which asks for each call."""
        asked_at = self.directory.now()
        async for page in self.client.list_calls(since, Priority.LOOK):
            found.malformed += page.malformed
            views = {view.id: view for view in page.views if view.id}
            known = await self.calls.find_watched(list(views))
            for call_id, view in views.items():
                try:
                    if call_id in known:
                        await self.compare_known(known[call_id], view, asked_at)
                    elif view.status not in NOT_BEGUN:
                        await self.record_missed(call_id, view)
                except SHAPE_ERRORS:
                    found.malformed += 1
                    log.exception("call_watch.call_unreadable", call_id=call_id)
            found.calls += len(views)
            if found.calls >= MOST_CALLS:
                found.gap = f"Vapi lists more than {MOST_CALLS} calls since {since:%H:%M} UTC."
                log.warning("call_watch.cut_short", calls=found.calls)
                return
            asked_at = self.directory.now()

    async def compare_known(self, known: WatchedCall, view: CallView, asked_at: datetime) -> None:
        """Correct a recorded call by Vapi's own record, for which it was asked at `asked_at`: whose it
        is, its end, its figures."""
        call_id, number = known.vapi_call_id, view.phone_number_id
        if not known.owner_checked and number and number != known.vapi_phone_number_id:
            await self.owners.settle(call_id, view)
        elif view.is_over:
            if not known.end_proved or view.cost not in (None, 0, known.cost):
                await self.record_found_end(known, view)
        elif known.hung_up and not known.end_proved and not known.job:
            if await self.calls.reopen_hangup(call_id) == "reopened":
                log.warning("call.hangup_restarted", call_id=call_id)
                owner, url = known.organization_id, view.control_url
                began = view.created_at
                self.attempts.start(BlockedCall(call_id, owner, url, recorded=True, began=began))
        elif known.ended_at and known.ended_at <= asked_at - self.grace and not known.hung_up:
            await self.calls.reopen_call(call_id)

    async def check_old_calls(self, before: datetime) -> None:
        """Check a few calls that have been open for longer than the list reaches back."""
        for call_id in await self.calls.list_old_open(before, MOST_OLD):
            asked_at = self.directory.now()
            try:
                view = CallView(await self.client.get_call(call_id, Priority.LOOK))
            except VapiNotFoundError:
                end = CallEnd(call_id, self.directory.now(), "not-found", proof="missing")
                await self.calls.record_end(end)
                for known in (await self.calls.find_watched([call_id])).values():
                    self.observers.tell_ended(end, known.organization_id, hung_up=known.hung_up)
                continue
            except VapiError as exc:
                # The others come first next time: one call must not hold them up.
                log.warning("call_watch.call_unanswered", call_id=call_id, error=str(exc))
                await self.calls.record_check(call_id)
                return
            for known in (await self.calls.find_watched([call_id])).values():
                await self.compare_known(known, view, asked_at)
            if not view.is_over:
                await self.calls.record_check(call_id)

    async def record_found_end(self, known: WatchedCall, view: CallView) -> None:
        """Close a call by Vapi's record, and take its figures over."""
        end = end_shown(known.vapi_call_id, view, self.directory.now())
        await self.calls.record_end(end)
        if known.ended_at is None:
            log.info("call.end_found", call_id=known.vapi_call_id)
        self.observers.tell_ended(end, known.organization_id, hung_up=known.hung_up)

    async def record_missed(self, call_id: str, view: CallView) -> None:
        """Record a call that no message reported, if its number or assistant is registered."""
        ids = [one for one in (view.phone_number_id,) if one]
        assistants = [one for one in (view.assistant_id,) if one]
        registration = self.directory.find(ids, assistants)
        now = self.directory.now()
        created_at = view.created_at or now
        ring = view.ended_reason == RING_REASON
        unknown = registration is None and (view.is_over or not self.owners.stop_unknown)
        if unknown or (not ring and now - created_at < self.grace):
            return
        decision = await self.decide(call_id, view, registration)
        call = self.new_call(call_id, view, registration, decision)
        counted = await self.calls.let_calls_in([call]) if call.wants_slots else {}
        call = counted.get(call.key, call)
        won = call.key in counted and call.decision.allowed
        if won or (await self.calls.record_calls([call]))[0]:
            log.warning(
                "call.missed",
                call_id=call_id,
                organization_id=call.organization_id,
                gate=call.gate,
                blocked=call.blocked,
                reason=call.decision.reason,
            )
            self.observers.tell_decided(call)
            if call.hangup_after_seconds is not None:
                owner, url = call.organization_id, call.control_url
                began = view.created_at
                self.attempts.start(BlockedCall(call_id, owner, url, recorded=True, began=began))

    async def decide(
        self, call_id: str, view: CallView, registration: Registration | None
    ) -> Decision:
        """Decide as of the call's beginning. This replica may have: then a failover lost the row."""
        known = self.known.calls.get(call_id)
        owner = registration.organization.id if registration else None
        if known is not None and known.organization_id == owner:
            return decision_of(known, self.directory.now())
        decision = await self.owners.decide(call_id, view, registration)
        if view.ended_reason == RING_REASON and decision.allowed:
            # The organization has access by now; our hook stopped this call all the same.
            return replace(decision, effect=Effect.DENY, reason=RING_GATE, determined_by=None)
        return decision

    def new_call(
        self, call_id: str, view: CallView, registration: Registration | None, decision: Decision
    ) -> NewCall:
        """The row of a missed call. One that our hook stopped was blocked, whatever access is now."""
        ring = view.ended_reason == RING_REASON
        gate: GateName = "ring" if ring else "event"
        number = registration.phone_number if registration else None
        now = self.directory.now()
        ended_at = (view.ended_at or now) if view.is_over else None
        over = ended_at is not None
        return NewCall(
            vapi_call_id=call_id,
            organization_id=registration.organization.id if registration else None,
            phone_number_id=number.id if number else None,
            vapi_phone_number_id=view.phone_number_id,
            type=view.type,
            gate=gate,
            decision=decision,
            started_at=min(view.started_at or view.created_at or now, now),
            control_url=view.control_url,
            hangup_after_seconds=None if over or decision.allowed or decision.diverts else 0.0,
            ended_at=ended_at,
            ended_reason=view.ended_reason if over else None,
            duration_seconds=view.duration_seconds if over else None,
            cost=view.cost if over else None,
            missed=not ring,
            end_proved=over,
            cost_parts=view.cost_parts if over else None,
            details=view.details,
            refusal=Refusal(0.0),
        )
