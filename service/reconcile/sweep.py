"""A sweep over all numbers, by pages: drifted numbers become due for the loops of all replicas.

A sweep itself writes nothing at Vapi. It reads 1,000 numbers a request, rejects a list that is
implausibly short, and waits for approval before it changes unexpectedly many numbers. Of an incomplete
list it repairs what is listed, and judges nothing else.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn
from uuid import UUID

import structlog

from service.domain.errors import ConflictError, UnavailableError, VapiAwayError
from service.domain.phone_numbers import SyncState
from service.domain.priority import Priority
from service.domain.sweeps import SweepReport, SweepRequest
from service.domain.wording.sweeps import describe_unlisted
from service.reconcile import brakes
from service.reconcile.errors import (
    ImplausibleListError,
    KeyRefusedError,
    PlanChangedError,
    SweepLostError,
    TooManyChangesError,
)
from service.reconcile.listing import VapiListing
from service.reconcile.reconciler import Reconciler
from service.reconcile.sweep_page import SweepPage, SweepPageReader
from service.reconcile.unlisted import read_unlisted
from service.store.phone_numbers.phone_numbers import find_labels
from service.store.pool import Pool
from service.store.reconcile import state as reconciliation
from service.store.reconcile import states, sweeps
from service.store.reconcile.missing import list_missing
from service.vapi.client import VapiClient
from service.vapi.errors import VapiError, VapiUnauthorizedError

AT_ONCE = 8
SAMPLE = 10
"""How many unlisted numbers are read one by one when a list is implausibly short."""
MOST_ASKED = 100
"""How many are read at most: repairs need the budget too, and the next sweep reads the next ones."""
POLL_SECONDS = 0.1
MOST_NAMED = 200
"""How many numbers an error names."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Runs sweeps. `share` is the part of all numbers that a sweep may change without approval."""

    pool: Pool
    client: VapiClient
    reconciler: Reconciler
    share: float = 0.3

    async def sweep(self, ask: SweepRequest) -> SweepReport:
        """Check all numbers, and repair those that drifted.

        Raises `UnavailableError` (`vapi_unavailable`, `vapi_key_refused`, `vapi_list_implausible`,
        `sweep_lost`) and `ConflictError` (`too_many_changes`, `plan_changed`).
        """
        began = time.monotonic()
        by = ask.order.by if ask.order else "schedule"
        sweep_id, registered = await sweeps.begin(self.pool, by, dry_run=ask.dry_run)
        report = SweepReport(dry_run=ask.dry_run, limit=brakes.most_changes(registered, self.share))
        outcome: sweeps.Outcome = "failed"
        error: str | None = None
        try:
            await self.run(sweep_id, registered, report, ask)
            if not ask.dry_run:
                await self.repair(report, ask)
                report.missing_numbers = await list_missing(self.pool, sweep_id)
            outcome, error = "incomplete" if report.incomplete else "done", report.incomplete
        except (ConflictError, UnavailableError) as exc:
            outcome, error = "held" if report.held else "failed", exc.message
            log.warning("sweep.stopped", sweep_id=sweep_id, by=by, error=error, held=report.held)
            raise
        except BaseException as exc:
            error = type(exc).__name__
            raise
        finally:
            report.seconds = time.monotonic() - began
            await sweeps.end(self.pool, sweep_id, outcome, report.figures, error)
        log.info("sweep.finished", sweep_id=sweep_id, by=by, **report.counts)
        return report

    async def run(
        self, sweep_id: int, registered: int, report: SweepReport, ask: SweepRequest
    ) -> None:
        """Read all pages, check what was not listed, and make numbers due for repair."""
        found = SweepPage(ordered=ask.order is not None)
        reader = await self.read_pages(sweep_id, registered, found, report, ask)
        unseen = await sweeps.find_unseen(self.pool, sweep_id)
        implausible = len(unseen) > report.limit and not report.incomplete
        some = unseen[: SAMPLE if report.incomplete or implausible else MOST_ASKED]
        # A pass is for numbers that may be written: a dry run, and a pause, only read.
        only_read = [one.id for one in some if one.paused or ask.dry_run]
        if ask.dry_run and implausible:
            only_read = []
        read = await read_unlisted(self.reconciler.observer, reader, only_read)
        asked = [] if ask.dry_run else [one.id for one in some if not one.paused]
        found.fill(report, len(asked), await list_missing(self.pool, sweep_id))
        report.unknown += len(unseen) - len(asked) - read
        if not report.incomplete:
            report.unlisted = len(unseen) if implausible else 0
        if implausible:
            await sweeps.make_due(self.pool, asked, None)
            await self.refuse_list(report, [one.id for one in unseen], registered)
        if ask.dry_run:
            return
        if report.incomplete:
            # What is not listed cannot be counted: the brake goes by what is.
            report.limit = brakes.most_changes(found.checked, self.share)
        await self.brake(report, found, ask.plan, registered)
        wanted = [repair.phone_number_id for repair in found.repairs]
        await sweeps.make_due(self.pool, wanted, ask.order)
        report.unseen = asked
        await sweeps.make_due(self.pool, [*found.recheck, *report.unseen], None)
        report.remaining += len(wanted)

    async def refuse_list(
        self, report: SweepReport, unseen: Sequence[UUID], registered: int
    ) -> NoReturn:
        """Raise `ImplausibleListError` with the names of the numbers that are suspected."""
        named = unseen[:MOST_NAMED]
        labels = await find_labels(self.pool, named)
        numbers = [
            {"phone_number_id": str(one), "name": labels.get(str(one), str(one))} for one in named
        ]
        text = describe_unlisted(report, [one["name"] for one in numbers], registered)
        raise ImplausibleListError(text, unlisted=len(unseen), numbers=numbers)

    async def read_pages(
        self,
        sweep_id: int,
        registered: int,
        found: SweepPage,
        report: SweepReport,
        ask: SweepRequest,
    ) -> SweepPageReader:
        """Read every page once, and note what the lists lack. Raises `UnavailableError`."""

        async def beat() -> None:
            if ask.alive is not None and not await ask.alive():
                raise SweepLostError

        listing = VapiListing(self.client, Priority.LOOK, beat)
        reader = SweepPageReader(self.pool, self.reconciler.number_pass, sweep_id, listing, found)
        if not registered:
            return reader
        try:
            async for page in listing.pages():
                found.pages += 1
                await reader.read(page)
                await sweeps.advance(self.pool, sweep_id, found.checked)
                ask.progress("look", min(found.checked, registered), registered)
        except VapiUnauthorizedError as exc:
            await self.reconciler.number_pass.key.note_refused()
            raise KeyRefusedError(str(exc)) from None
        except VapiError as exc:
            raise VapiAwayError(f"{exc} Nothing was changed.") from None
        report.malformed = listing.malformed
        report.incomplete = " ".join(listing.gaps) or None
        return reader

    async def brake(
        self, report: SweepReport, found: SweepPage, plan: str | None, registered: int
    ) -> None:
        """Hold the sweep before unexpectedly many numbers are changed. Raises `ConflictError`."""
        wrong = plan is not None and plan != report.plan
        too_many = len(found.repairs) - found.expected > report.limit
        report.held = too_many and (plan is None or wrong)
        if report.held or not report.incomplete:
            await reconciliation.set_held(self.pool, report.figures if report.held else None)
        if wrong:
            raise PlanChangedError(plan=report.plan)
        if not report.held:
            return
        raise TooManyChangesError(
            f"The sweep would change {len(found.repairs)} of {registered} numbers, more than the "
            f"{report.limit} allowed without approval. Review the dry run; if it is right, reconcile "
            f'with "plan": "{report.plan}".',
            plan=report.plan,
            drifted=report.drifted,
            limit=report.limit,
        )

    async def repair(self, report: SweepReport, ask: SweepRequest) -> None:
        """Take part in the repairs, wait for those of other replicas, and count the results."""
        wanted = [repair.phone_number_id for repair in report.repairs]
        waiting = [*wanted, *report.unseen]
        if not waiting or ask.seconds == 0:
            return
        everything, elsewhere = list(waiting), report.remaining - len(waiting)
        known_missing = report.missing
        deadline = float("inf") if ask.seconds is None else time.monotonic() + ask.seconds
        well: set[UUID] = set()
        while waiting:
            for start in range(0, len(waiting), AT_ONCE):
                if time.monotonic() > deadline:
                    break
                batch = waiting[start : start + AT_ONCE]
                await asyncio.gather(*(self.reconciler.reconcile_due(one) for one in batch))
                done = len(everything) - len(waiting) + start
                ask.progress("repair", done, len(everything))
            known = await sweeps.outcomes(self.pool, everything)
            waiting = [number_id for number_id, _, busy in known if busy]
            ended = {one: state for one, state, busy in known if not busy}
            well = {one for one, state in ended.items() if state is SyncState.IN_SYNC}
            unseen = [one for one in report.unseen if one in ended and one not in well]
            gone = [one for one in unseen if ended[one] is SyncState.MISSING]
            report.repaired = len(well.intersection(wanted))
            report.missing = known_missing + len(gone)
            report.unread = len(unseen) - len(gone)
            report.failed = known_missing + len(ended) - len(well)
            report.remaining = elsewhere + len(waiting)
            if waiting and time.monotonic() > deadline:
                return
            await asyncio.sleep(POLL_SECONDS if waiting else 0)
        report.in_sync += len(well.intersection(report.unseen))
        ask.progress("repair", len(everything), len(everything))

    async def work_off(self) -> None:
        """Reconcile all due numbers; for commands, which have no loop."""
        while due := await states.find_due(self.pool, AT_ONCE):
            await asyncio.gather(*(self.reconciler.reconcile_due(one) for one in due))
