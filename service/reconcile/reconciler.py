"""One pass over one number: observe, compare, repair, read back, record. Doing it twice is harmless.

Every trigger (an added number, a retry, an admin's click, a sweep that found drift) ends here.
"""

import asyncio
import random
from collections.abc import Mapping
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
from service.reconcile.failures import failed_result
from service.reconcile.observe import Observer
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.number_facts import ObservedNumber
from service.reconcile.steps.number_pass import NumberPass
from service.reconcile.steps.number_plan import number_plan
from service.reconcile.steps.release import Release
from service.reconcile.steps.route import Bound, Route, route_of
from service.reconcile.steps.writer import ClaimLostError
from service.store.pool import Pool
from service.store.reconcile import claims, states
from service.store.reconcile.changes import WebhookChange
from service.vapi.errors import VapiError, VapiNotFoundError
from service.vapi.resources import PhoneNumberView

UNREGISTERED = UUID(int=0)
HELD_TRIES = 20
HELD_SECONDS = 0.1
SOON_SECONDS = 15.0
"""What is due earlier than the loops would look by themselves is told to them."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Probe:
    """What Vapi says of a number that is to be added."""

    number: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class AddPreview:
    """What adding a number would find and change; nothing is changed by looking.

    `changes` are the fields that would be written, secrets masked; `route` is today's.
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
    """Brings numbers' webhooks to the desired state, one at a time, never two at once on one."""

    pool: Pool
    observer: Observer
    number_pass: NumberPass
    release: Release

    async def probe(self, vapi_phone_number_id: str) -> Probe | None:
        """Look whether Vapi knows the number. None: Vapi cannot be asked now.

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
        """What adding the number with this gate would change at Vapi. Raises like `route`.

        Ringing hooks are left out: whether there is one depends on the organization at that moment.
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
        """What coverage needs to know of a number now. Raises like `route`."""
        view, bound = await self.read(vapi_phone_number_id)
        return at_vapi(self.number_pass.desired.url, view, bound)

    async def read(
        self, vapi_phone_number_id: str, *, tools: bool = False
    ) -> tuple[PhoneNumberView, Bound]:
        """A number with what answers it, for an admin who waits. Raises like `route`."""
        try:
            view = await self.observer.number(vapi_phone_number_id, Priority.ADMIN)
            return view, await self.observer.bound(view, Priority.ADMIN, tools=tools)
        except VapiNotFoundError:
            raise VapiPhoneNumberNotFoundError from None
        except VapiError as exc:
            raise VapiAwayError(f"{exc} Try again later.") from None

    async def reconcile(
        self, phone_number_id: UUID, priority: Priority = Priority.ADMIN
    ) -> Sync | None:
        """One pass; returns the state afterwards, None when the number is gone (or released).

        While another replica works on the number this waits a little for its outcome instead.
        """
        held = await self.wait_for_claim(phone_number_id)
        if held is not None:
            await self.work(held, priority)
        return await states.find_sync(self.pool, phone_number_id)

    async def reconcile_due(self, phone_number_id: UUID) -> None:
        """One pass if the number is due and nobody works on it; for the loop, which never waits."""
        held = await claims.claim(self.pool, phone_number_id, due=True)
        if held is not None:
            await self.work(held, Priority.REPAIR)

    async def roll_back(self, phone_number_id: UUID, change: WebhookChange) -> None:
        """Put back what was there before a change. The number is paused: nothing undoes this.

        Raises `UnavailableError` when Vapi (or a busy number) does not let us.
        """
        held = await self.wait_for_claim(phone_number_id)
        if held is None:
            raise UnavailableError("Another pass is working on the number. Try again in a moment.")
        try:
            finding = await self.release.roll_back(held, change, Priority.ADMIN)
        except VapiError as exc:
            await claims.unclaim(self.pool, held)
            raise VapiAwayError(f"{exc} Try again later.") from None
        except ClaimLostError:
            raise UnavailableError(
                "The number was changed at Vapi meanwhile. Check it again."
            ) from None
        except BaseException:
            await claims.unclaim(self.pool, held)
            raise
        await claims.record(self.pool, held, finding)

    async def wait_for_claim(self, phone_number_id: UUID) -> WebhookClaim | None:
        """Claim a number, waiting a little for whoever has it."""
        for _ in range(HELD_TRIES):
            held = await claims.claim(self.pool, phone_number_id)
            if held is not None:
                return held
            if await states.find_sync(self.pool, phone_number_id) is None:
                return None
            await asyncio.sleep(HELD_SECONDS)
        return None

    async def work(self, held: WebhookClaim, priority: Priority) -> None:
        """Do the pass under a claim, which is given back whatever happens."""
        try:
            finding = await self.attempt(held, priority)
        except ClaimLostError:
            log.info("webhook.claim_lost", phone_number_id=held.phone_number_id)
            await claims.unclaim(self.pool, held)
            return
        except BaseException:
            # Not shielded from a crash: the lease runs out, and the pass is done again.
            await claims.unclaim(self.pool, held)
            raise
        if finding is None:
            await claims.delete(self.pool, held)
            log.info("webhook.released", phone_number_id=held.phone_number_id)
            return
        await claims.record(self.pool, held, finding)
        if finding.retry_in is not None and finding.retry_in < SOON_SECONDS:
            await states.wake(self.pool)
        self.number_pass.metrics.count_result(finding)
        event = {"phone_number_id": held.phone_number_id, "state": finding.state.value}
        if finding.error:
            log.warning(
                "webhook.fight_detected" if finding.problem == "fight" else "webhook.not_in_sync",
                **event,
                fields=[entry.field for entry in finding.drift],
                problem=finding.problem,
                error=finding.error,
            )
        else:
            log.info("webhook.checked", **event)

    async def attempt(self, held: WebhookClaim, priority: Priority) -> PassResult | None:
        """The pass itself, with Vapi's failures turned into findings; None: the number may go."""
        try:
            if held.released:
                await self.release.run(held, priority)
                return None
            return await self.number_pass.run(held, priority)
        except VapiNotFoundError as exc:
            return None if held.released else failed_result(exc, held, random.random())  # noqa: S311
        except VapiError as exc:
            return await self.number_pass.failed(exc, held)
