"""The pass over a registered number: what it needs, whether we may, and doing it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.domain.phone_numbers import Cause, FieldDrift, SyncState
from service.domain.priority import Priority
from service.domain.standing import AccessStanding
from service.reconcile import brakes
from service.reconcile.desired import DesiredWebhook
from service.reconcile.failures import fight_over, finding_of, retry_in
from service.reconcile.metrics import ReconcileMetrics
from service.reconcile.observe import Observer
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.applied import applied_of, cause_of, seen_form
from service.reconcile.steps.gate_step import GateStep, cause_of_gates, gates_of
from service.reconcile.steps.route_step import RoutePass, RouteStep
from service.reconcile.steps.writer import Target, Writer
from service.store.pool import Pool
from service.store.reconcile import claims, state
from service.store.reconcile.claims import PassResult, WebhookClaim
from service.vapi.errors import VapiError, VapiRejectedError, VapiUnauthorizedError
from service.vapi.resources import PhoneNumberView

KEY_RETRY_SECONDS = 30.0
SECOND_LOOK_SECONDS = 5.0
AFTERWARDS_SECONDS = 0.02
"""How long after an entitlement's end to look: then it is over by any clock's rounding."""

OBSERVED = (
    "Found and left as it is: CALLGATE_RECONCILE_MODE is observe. Sync the number to repair it."
)
UNKEPT = "Vapi took the change and does not show it: somebody else may be changing it back."


def earlier(first: float | None, second: float) -> float:
    """The nearer of two times to look again; None is never."""
    return second if first is None else min(first, second)


@dataclass(frozen=True, slots=True)
class NumberPass:
    """Looks after one number under a claim.

    `enforcing`: drift is repaired unasked; else only what an admin ordered is written. `key` is the
    fingerprint of the private key.
    """

    pool: Pool
    observer: Observer
    writer: Writer
    gating: GateStep
    routing: RouteStep
    desired: DesiredWebhook
    tally: ReconcileMetrics
    key: str
    enforcing: bool = True

    async def look_after(self, held: WebhookClaim, priority: Priority) -> PassResult:
        """Bring the number to the desired state, or say why not.

        What depends on the organization's access is looked at again when that changes by itself.
        """
        standing = await self.gating.standing(held)
        if priority is Priority.REPAIR and self.gating.is_out_of_date(held, standing):
            priority = Priority.ACCESS
        seen = await self.observer.number(held.vapi_phone_number_id, priority)
        await claims.learn(self.pool, held.phone_number_id, seen.number, seen.org_id)
        seen = await self.gating.unblock(held, seen, standing, priority)
        finding = await self.settle(held, seen, standing, priority)
        after = finding.retry_in
        if standing is not None and standing.is_watched and standing.changes_in is not None:
            after = earlier(after, max(standing.changes_in, 0.0) + AFTERWARDS_SECONDS)
        if held.ring_on and standing is not None and standing.allowed:
            # A look that did not show our hook, or its removal, may have been out of date.
            after = earlier(after, SECOND_LOOK_SECONDS)
        return replace(finding, retry_in=after)

    async def settle(
        self,
        held: WebhookClaim,
        seen: PhoneNumberView,
        standing: AccessStanding | None,
        priority: Priority,
    ) -> PassResult:
        """The webhook on the number, then its gates, then what answers it."""
        drift = self.drift_of(held, seen)
        applied, refused = held.last_applied, None
        if drift:
            cause = cause_of(drift, seen.server, held.last_applied, self.desired)
            if (left := self.left_alone(held, drift, cause)) is not None:
                return left
            try:
                seen, applied = await self.write(held, seen, drift, priority)
            except VapiRejectedError as exc:
                refused = exc
            else:
                drift = self.drift_of(held, seen, applied)
                if drift:
                    return self.not_in_sync(held, drift, UNKEPT, "unkept")
        elif held.original is None:
            # Set up by hand to post to us: releasing must still not leave it so.
            await claims.keep_original(self.pool, held, {"server": None})
        if refused is None:
            # Who answers is taken off the number only once its assistant-requests come to us.
            changes = self.gating.compare(held, seen, standing)
            if changes.drift:
                cause = cause_of_gates(changes, gates_of(held))
                if (left := self.left_alone(held, changes.drift, cause)) is not None:
                    return left
                seen = await self.gating.write(held, seen, changes, priority)
                changes = self.gating.compare(held, seen, standing, changes.written)
                if changes.drift:
                    return self.not_in_sync(held, changes.drift, UNKEPT, "unkept")
            await self.gating.keep(held, changes.kept)
        visit = RoutePass(held, seen, applied, refused, priority, self.may_write(held))
        return await self.routing.settle(visit)

    def may_write(self, held: WebhookClaim) -> bool:
        """Whether anything may be changed for this number now."""
        return not held.paused and (self.enforcing or held.ordered_by is not None)

    def drift_of(
        self, held: WebhookClaim, seen: PhoneNumberView, applied: Mapping[str, Any] | None = None
    ) -> tuple[FieldDrift, ...]:
        """What differs on the number itself; nothing where Vapi refuses a webhook on it."""
        if held.problem == "number_refused" and held.ordered_by is None:
            return ()
        shown = seen_form(applied or held.last_applied, self.desired, seen.server)
        return webhook_fields.changes(self.desired, seen.server, shown=shown)

    def left_alone(
        self, held: WebhookClaim, drift: tuple[FieldDrift, ...], cause: Cause
    ) -> PassResult | None:
        """Why the drift must not be repaired now; None when it may."""
        if held.paused:
            return PassResult(SyncState.PAUSED, drift, retry_in=held.pause_left)
        if not self.may_write(held):
            return PassResult(SyncState.DRIFTED, drift, OBSERVED, "observe")
        if cause == "drift" and brakes.is_fight(held.fights):
            return fight_over(drift, held)
        return None

    def not_in_sync(
        self, held: WebhookClaim, drift: tuple[FieldDrift, ...], error: str, problem: str
    ) -> PassResult:
        """Drift that stayed although we tried."""
        return PassResult(
            SyncState.DRIFTED, drift, error, problem, held.failures + 1, retry_in(held)
        )

    async def write(
        self,
        held: WebhookClaim,
        seen: PhoneNumberView,
        drift: tuple[FieldDrift, ...],
        priority: Priority,
    ) -> tuple[PhoneNumberView, Mapping[str, Any]]:
        """Write the owned fields on the number; what Vapi has then, and what to remember."""
        ours = webhook_fields.is_ours(self.desired, seen.server)
        former = None if ours or seen.server is None else dict(seen.server)
        await claims.keep_original(self.pool, held, {"server": former})
        written = await self.writer.write(
            held,
            Target("phone_number", held.vapi_phone_number_id),
            seen,
            {"server": webhook_fields.merged(self.desired, seen.server)},
            cause=cause_of(drift, seen.server, held.last_applied, self.desired),
            fields=drift,
            priority=priority,
        )
        applied = applied_of(self.desired, written.shown)
        view = PhoneNumberView(written.view.raw)
        if not self.drift_of(held, view, applied):
            await self.writer.confirm(written)
            self.tally.repaired("phone_number")
        return view, applied

    async def failed(self, exc: VapiError, held: WebhookClaim) -> PassResult:
        """What a failure means for the number; a refused key means something for all of them."""
        if isinstance(exc, VapiUnauthorizedError):
            await self.refuse_key()
        return finding_of(exc, held)

    async def refuse_key(self) -> None:
        """Let all replicas know that Vapi refuses our key: they stop asking for a while."""
        await state.refuse_key(self.pool, self.key, KEY_RETRY_SECONDS)
