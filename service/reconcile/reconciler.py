"""Passes over one number under a claim: observe, plan, apply, record. A second pass changes nothing.

Every trigger (an added number, a retry, an admin's click, drift that a sweep found) ends here.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from service.domain.coverage.coverage import AtVapi
from service.domain.errors import UnavailableError, VapiAwayError, VapiPhoneNumberNotFoundError
from service.domain.phone_numbers import FieldDrift, NumberGate, Sync
from service.domain.priority import Priority
from service.domain.reconcile import PassResult, WebhookClaim
from service.reconcile.coverage import at_vapi
from service.reconcile.observe import Observer
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.number_facts import ObservedNumber
from service.reconcile.steps.number_pass import NumberPass
from service.reconcile.steps.number_plan import number_plan
from service.reconcile.steps.release import Release
from service.reconcile.steps.route import Bound, Route, route_of
from service.reconcile.steps.writer import ClaimLostError
from service.store.leases import LeaseLostError, holding
from service.store.pool import Pool
from service.store.reconcile import claims, states
from service.store.reconcile.changes import WebhookChange
from service.store.reconcile.missing import find_not_known
from service.vapi.elements import SHAPE_ERRORS
from service.vapi.errors import VapiError, VapiNotFoundError
from service.vapi.resources import PhoneNumberView

UNREGISTERED = UUID(int=0)
HELD_TRIES = 20
HELD_SECONDS = 0.1
SOON_SECONDS = 15.0
"""The loops are notified of a pass that is due earlier than they check on their own."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Probe:
    """What Vapi knows of a number that is to be added."""

    number: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class AddPreview:
    """A dry run of adding a number.

    `changes` are the fields that would be written, secrets masked; `route` is the current one.
    """

    vapi_phone_number_id: str
    number: str | None
    name: str | None
    provider: str | None
    webhook: Mapping[str, Any] | None
    changes: tuple[FieldDrift, ...]
    route: Route


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Runs passes over numbers; never two at once over the same number."""

    pool: Pool
    observer: Observer
    number_pass: NumberPass
    release: Release

    async def probe(self, vapi_phone_number_id: str) -> Probe | None:
        """Read what Vapi knows of a number. None: Vapi cannot be reached.

        Raises `VapiPhoneNumberNotFoundError`.
        """
        try:
            view = await self.observer.number(vapi_phone_number_id, Priority.ADMIN)
        except VapiNotFoundError:
            raise VapiPhoneNumberNotFoundError from None
        except VapiError as exc:
            log.warning("webhook.probe_failed", error=str(exc))
            return None
        return Probe(view.number, view.name)

    async def route(self, vapi_phone_number_id: str) -> Route:
        """Where Vapi sends the number's events now, and why.

        Raises `VapiPhoneNumberNotFoundError` or `UnavailableError`
        (`vapi_unavailable`).
        """
        view, bound = await self.read(vapi_phone_number_id, tools=True)
        return route_of(self.number_pass.desired.url, view, bound)

    async def preview(self, vapi_phone_number_id: str, gate: NumberGate) -> AddPreview:
        """Plan the number as if it were added with this gate. Raises like `route`.

        Ringing hooks are left out, because they depend on the organization's access at that time.
        """
        view, bound = await self.read(vapi_phone_number_id)
        claim = WebhookClaim(UNREGISTERED, vapi_phone_number_id, gate=gate)
        desired = self.number_pass.desired_for(claim, None, enforced=True)
        plan = number_plan(desired, ObservedNumber(view, bound), claim)
        fields = tuple(entry for change in plan.changes for entry in change.fields)
        return AddPreview(
            vapi_phone_number_id,
            view.number,
            view.name,
            view.provider,
            webhook_fields.masked(view.server),
            fields,
            route_of(self.number_pass.desired.url, view, bound),
        )

    async def at_vapi(self, vapi_phone_number_id: str) -> AtVapi:
        """Read the facts about a number that coverage needs. Raises like `route`."""
        view, bound = await self.read(vapi_phone_number_id)
        bound = await self.observer.splits(bound, Priority.ADMIN)
        return at_vapi(self.number_pass.desired.url, view, bound)

    async def read(
        self, vapi_phone_number_id: str, *, tools: bool = False
    ) -> tuple[PhoneNumberView, Bound]:
        """Read a number with what answers it, for an admin who waits. Raises like `route`.

        A registered number that Vapi does not have is recorded as missing, so that no other page
        still shows it in sync.
        """
        try:
            view = await self.observer.number(vapi_phone_number_id, Priority.ADMIN)
            return view, await self.observer.bound(view, Priority.ADMIN, tools=tools)
        except VapiNotFoundError:
            await self.record_missing(vapi_phone_number_id)
            raise VapiPhoneNumberNotFoundError from None
        except VapiError as exc:
            raise VapiAwayError(f"{exc} Try again later.") from None

    async def record_missing(self, vapi_phone_number_id: str) -> None:
        """Let a pass find out what a registered number is now, unless it is known to be missing."""
        phone_number_id = await find_not_known(self.pool, vapi_phone_number_id)
        if phone_number_id is not None:
            await self.reconcile(phone_number_id)

    async def reconcile(
        self, phone_number_id: UUID, priority: Priority = Priority.ADMIN
    ) -> Sync | None:
        """Run one pass; returns the state afterwards, None when the number is deleted or released.

        While another pass holds the number, this waits up to two seconds for its result instead.
        """
        held = await self.wait_for_claim(phone_number_id)
        if held is not None:
            await self.work(held, priority)
        return await states.find_sync(self.pool, phone_number_id)

    async def reconcile_due(self, phone_number_id: UUID) -> None:
        """Run one pass if the number is due and unclaimed; for the loop, which never waits."""
        held = await claims.claim(self.pool, phone_number_id, due=True)
        if held is not None:
            await self.work(held, Priority.REPAIR)

    async def roll_back(self, phone_number_id: UUID, change: WebhookChange) -> None:
        """Restore the fields from before a change. The number is paused, so no repair reverts this.

        Raises `UnavailableError` when Vapi fails or another pass holds the number.
        """
        held = await self.wait_for_claim(phone_number_id)
        if held is None:
            raise UnavailableError("Another pass is working on the number. Try again in a moment.")
        try:
            async with self.leased(held):
                result = await self.release.roll_back(held, change, Priority.ADMIN)
        except VapiError as exc:
            await claims.unclaim(self.pool, held)
            raise VapiAwayError(f"{exc} Try again later.") from None
        except (ClaimLostError, LeaseLostError):
            raise UnavailableError(
                "The number was changed at Vapi meanwhile. Check it again."
            ) from None
        except BaseException:
            await claims.unclaim(self.pool, held)
            raise
        await claims.record(self.pool, held, result)

    async def wait_for_claim(self, phone_number_id: UUID) -> WebhookClaim | None:
        """Claim a number; waits up to two seconds while another pass holds it."""
        for _ in range(HELD_TRIES):
            held = await claims.claim(self.pool, phone_number_id)
            if held is not None:
                return held
            if await states.find_sync(self.pool, phone_number_id) is None:
                return None
            await asyncio.sleep(HELD_SECONDS)
        return None

    async def work(self, held: WebhookClaim, priority: Priority) -> None:
        """Run a pass under a claim, which is released however the pass ends."""
        try:
            async with self.leased(held):
                result = await self.attempt(held, priority)
        except (ClaimLostError, LeaseLostError):
            log.info("webhook.claim_lost", phone_number_id=held.phone_number_id)
            await claims.unclaim(self.pool, held)
            return
        except BaseException:
            # Not shielded from a crash: then the lease expires, and the pass is run again.
            await claims.unclaim(self.pool, held)
            raise
        if result is None:
            await claims.delete(self.pool, held)
            log.info("webhook.released", phone_number_id=held.phone_number_id)
            return
        await claims.record(self.pool, held, result)
        if result.retry_in is not None and result.retry_in < SOON_SECONDS:
            await states.wake(self.pool)
        self.number_pass.metrics.count_result(result)
        event = {"phone_number_id": held.phone_number_id, "state": result.state.value}
        if result.error:
            log.warning(
                "webhook.fight_detected" if result.problem == "fight" else "webhook.not_in_sync",
                **event,
                fields=[entry.field for entry in result.drift],
                problem=result.problem,
                error=result.error,
            )
        else:
            log.info("webhook.checked", **event)

    def leased(self, held: WebhookClaim) -> AbstractAsyncContextManager[None]:
        """Renews the lease while a pass works. Raises `LeaseLostError`."""
        return holding(lambda: claims.renew(self.pool, held), held.claimed_at)

    async def attempt(self, held: WebhookClaim, priority: Priority) -> PassResult | None:
        """Run the pass; Vapi's failures become results. None: the number is released, delete it."""
        if not held.released:
            return await self.number_pass.run(held, priority)
        try:
            await self.release.run(held, priority)
        except VapiNotFoundError:
            return None
        except VapiError as exc:
            return await self.number_pass.failed(exc, held)
        except SHAPE_ERRORS as exc:
            return self.number_pass.unreadable(exc, held)
        return None
