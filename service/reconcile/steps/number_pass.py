"""The pass over one registered number: observe it, plan, apply the plan, observe again."""

import asyncio
import contextlib
import random
from dataclasses import dataclass, replace

import structlog

from service.domain.phone_numbers import SyncState
from service.domain.priority import Priority
from service.domain.reconcile import PassResult, WebhookClaim
from service.domain.standing import AccessStanding
from service.reconcile.desired import DesiredWebhook
from service.reconcile.failures import failed_result, unkept_result, unreadable_result
from service.reconcile.key_guard import KeyGuard
from service.reconcile.metrics import ReconcileMetrics
from service.reconcile.observe import Observer
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.applied import applied_of
from service.reconcile.steps.assistant_fields import is_bound
from service.reconcile.steps.assistants import AssistantWebhooks
from service.reconcile.steps.gate_fields import desired_gates
from service.reconcile.steps.gate_step import GateStep
from service.reconcile.steps.number_facts import (
    DesiredNumber,
    NumberFacts,
    ObservedNumber,
    compare,
)
from service.reconcile.steps.number_plan import NumberChange, NumberPlan, after, number_plan
from service.reconcile.steps.writer import Target, Writer
from service.store.phone_numbers.unanswered import record_answers
from service.store.pool import Pool
from service.store.reconcile import claims
from service.vapi.elements import SHAPE_ERRORS
from service.vapi.errors import VapiError, VapiRejectedError, VapiUnauthorizedError
from service.vapi.resources import PhoneNumberView

SECOND_LOOK_SECONDS = 5.0
AFTERWARDS_SECONDS = 0.02
"""How long after an entitlement's end to check: by then it has ended by any clock's rounding."""

log = structlog.get_logger()


def earlier(first: float | None, second: float) -> float:
    """The nearer of two times to check again; None is never."""
    return second if first is None else min(first, second)


@dataclass(frozen=True, slots=True)
class NumberPass:
    """Brings one number to the desired state under a claim.

    `on_assistants` and `enforcing` as in `DesiredNumber`; `key` records that Vapi refuses it.
    """

    pool: Pool
    observer: Observer
    writer: Writer
    gate_step: GateStep
    assistants: AssistantWebhooks
    desired: DesiredWebhook
    metrics: ReconcileMetrics
    key: KeyGuard
    on_assistants: bool = True
    enforcing: bool = True

    def desired_for(
        self, claim: WebhookClaim, standing: AccessStanding | None, *, enforced: bool = False
    ) -> DesiredNumber:
        """The desired state of a number whose organization has this standing."""
        gates = desired_gates(claim.gate, standing)
        webhook = self.desired.of(claim.organization_id)
        return DesiredNumber(webhook, gates, self.on_assistants, enforced or self.enforcing)

    async def run(self, claim: WebhookClaim, priority: Priority) -> PassResult:
        """Bring the number to the desired state, or say why not.

        Where that depends on the organization's access, the next pass is due when access changes, also
        after a failure that only an admin can fix.
        """
        standing = await self.gate_step.standing(claim)
        read_at = asyncio.get_running_loop().time()
        result = await self.attempt(claim, standing, priority)
        retry_in = result.retry_in
        if result.state is SyncState.MISSING:
            return result
        if standing is not None and standing.is_watched and standing.changes_in is not None:
            # The pass may have waited for Vapi for minutes since.
            left = standing.changes_in - (asyncio.get_running_loop().time() - read_at)
            retry_in = earlier(retry_in, max(left, 0.0) + AFTERWARDS_SECONDS)
        if claim.kept.ring_on and standing is not None and standing.allowed and result.checked:
            # An answer without our hook, or without its removal, may have been stale.
            retry_in = earlier(retry_in, SECOND_LOOK_SECONDS)
        return replace(result, retry_in=retry_in)

    async def attempt(
        self, claim: WebhookClaim, standing: AccessStanding | None, priority: Priority
    ) -> PassResult:
        """Observe the number and settle it; Vapi's failures become results."""
        try:
            desired = self.desired_for(claim, standing)
            outdated = claim.kept.ring_on != (desired.gates.ring is not None)
            if priority is Priority.REPAIR and standing is not None and outdated:
                priority = Priority.ACCESS
            number = await self.observer.number(claim.vapi_phone_number_id, priority)
            phone_number_id = claim.phone_number_id
            await claims.record_identity(self.pool, phone_number_id, number.number, number.org_id)
            facts = NumberFacts(desired, ObservedNumber(number), claim)
            return await self.settle(facts, priority)
        except VapiError as exc:
            return await self.failed(exc, claim)
        except SHAPE_ERRORS as exc:
            return self.unreadable(exc, claim)

    async def settle(self, facts: NumberFacts, priority: Priority) -> PassResult:
        """Apply the first change of the plan, observe and plan again, until none is left."""
        if not compare(facts).webhook and facts.claim.original is None:
            # Set up by hand to post to us: releasing must still not leave it so.
            await claims.keep_original(self.pool, facts.claim, {"server": None})
        tried: set[tuple[str, str]] = set()
        while True:
            plan = number_plan(facts.desired, facts.observed, facts.claim)
            changes = first_changes(plan)
            if any((one.kind, one.vapi_id) in tried for one in changes):
                return self.unkept(facts, plan)
            tried |= {(one.kind, one.vapi_id) for one in changes}
            if not changes or not changes[0].on_number:
                facts = await self.keep_fields(facts, plan)
            if changes:
                facts = await self.apply(facts, changes, priority)
            elif facts.observed.bound is None and is_bound(facts.observed.number):
                facts = await self.observe_bound(facts, priority)
            else:
                await self.record_answer(facts, priority)
                return self.concluded(facts, plan)

    async def record_answer(self, facts: NumberFacts, priority: Priority) -> None:
        """Record what answers granted calls. The pass does not depend on it: a failure leaves it."""
        observed = facts.observed
        with contextlib.suppress(VapiError):
            found = await self.observer.answer(
                facts.claim, observed.number, observed.bound, priority
            )
            await record_answers(self.pool, [found])

    async def apply(
        self, facts: NumberFacts, changes: list[NumberChange], priority: Priority
    ) -> NumberFacts:
        """Apply one change of the number, or those of its assistants that belong together."""
        change = changes[0]
        if change.kind == "webhook":
            try:
                return await self.write_webhook(facts, change, priority)
            except VapiRejectedError as exc:
                return replace(facts, observed=replace(facts.observed, refusal=exc))
        if change.on_number:
            seen = facts.observed.number
            number = await self.gate_step.apply(facts.claim, seen, change, priority)
            planned = after(facts, change)
            return replace(planned, observed=replace(planned.observed, number=number))
        claim = facts.claim
        for one in changes:
            if one.kind == "give_back":
                claim = await self.assistants.give_one_back(claim, one.vapi_id, priority)
                continue
            claim, kept = await self.assistants.configure(claim, one, priority)
            if kept and one.is_repair:
                self.metrics.count_repair("assistant")
        return await self.observe_bound(replace(facts, claim=claim), priority)

    async def write_webhook(
        self, facts: NumberFacts, change: NumberChange, priority: Priority
    ) -> NumberFacts:
        """Write the owned fields on the number."""
        claim, seen = facts.claim, facts.observed.number
        desired = facts.desired.webhook
        ours = webhook_fields.is_ours(desired, seen.server)
        former = None if ours else webhook_fields.without_own_secrets(desired, seen.server)
        kept = webhook_fields.kept_original(former, hidden=not ours and seen.hides_secret)
        await claims.keep_original(self.pool, claim, self.writer.vault.seal_kept(kept))
        written = await self.writer.write(
            claim,
            Target("phone_number", change.vapi_id),
            seen,
            change.body or {},
            cause=change.cause,
            fields=change.fields,
            priority=priority,
        )
        observed = replace(
            facts.observed,
            number=PhoneNumberView(written.view.raw),
            applied=applied_of(desired, written.shown),
        )
        facts = replace(facts, observed=observed)
        if not compare(facts).webhook:
            await self.writer.confirm(written)
            self.metrics.count_repair("phone_number")
        return facts

    async def keep_fields(self, facts: NumberFacts, plan: NumberPlan) -> NumberFacts:
        """Record which gate fields are ours, now that Vapi was seen to have them."""
        if plan.kept is None or plan.kept == facts.claim.kept:
            return facts
        await claims.keep_gates(self.pool, facts.claim, plan.kept)
        return replace(facts, claim=replace(facts.claim, kept=plan.kept))

    async def observe_bound(self, facts: NumberFacts, priority: Priority) -> NumberFacts:
        """Read what answers the number now."""
        bound = await self.observer.bound(facts.observed.number, priority)
        return replace(facts, observed=replace(facts.observed, bound=bound))

    def concluded(self, facts: NumberFacts, plan: NumberPlan) -> PassResult:
        """The plan's result; the refusal where neither the number nor an assistant takes the webhook."""
        refusal = facts.observed.refusal
        if refusal is not None and plan.found.state is SyncState.PENDING:
            return failed_result(refusal, facts.claim, random.random())  # noqa: S311
        return plan.found

    def unkept(self, facts: NumberFacts, plan: NumberPlan) -> PassResult:
        """The result where a change is needed again right after it was made."""
        if facts.claim.paused:
            return plan.found
        return unkept_result(plan.found.drift, facts.claim, random.random())  # noqa: S311

    async def failed(self, exc: VapiError, claim: WebhookClaim) -> PassResult:
        """The result of a failed pass; a refused key is recorded."""
        if isinstance(exc, VapiUnauthorizedError):
            exc = await self.key.judge(exc)
        return failed_result(exc, claim, random.random())  # noqa: S311

    def unreadable(self, exc: Exception, claim: WebhookClaim) -> PassResult:
        """The result where an answer of Vapi's cannot be read."""
        log.error("webhook.unreadable", phone_number_id=claim.phone_number_id, exc_info=exc)
        return unreadable_result(claim, random.random())  # noqa: S311


def first_changes(plan: NumberPlan) -> list[NumberChange]:
    """The first change; if it is one of an assistant, all of its kind, which are read back together."""
    if not plan.changes:
        return []
    first = plan.changes[0]
    return [one for one in plan.changes if one.kind == first.kind]
