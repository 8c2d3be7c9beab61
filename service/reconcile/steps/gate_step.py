"""The step that writes a number's gate fields: unbinding, the ringing hook, the transfer.

What will be ours is recorded before it is written: a hook of ours that we no longer recognize would
block a paying organization.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from service.domain.priority import Priority
from service.domain.reconcile import WebhookClaim
from service.domain.standing import AccessStanding
from service.reconcile.steps.number_plan import NumberChange
from service.reconcile.steps.writer import ClaimLostError, Target, Writer
from service.store.pool import Pool
from service.store.reconcile import claims
from service.vapi.bindings import bindings_of
from service.vapi.resources import PhoneNumberView


class StandingReader(Protocol):
    """Reads the current access standing of organizations from PostgreSQL."""

    async def read(self, organization_ids: Sequence[UUID]) -> Mapping[UUID, AccessStanding]: ...


@dataclass(frozen=True, slots=True)
class GateStep:
    """Without `standings`, fields that depend on an organization's access are left as they are."""

    pool: Pool
    writer: Writer
    standings: StandingReader | None = None

    async def standing(self, claim: WebhookClaim) -> AccessStanding | None:
        """The standing of the number's organization; from now on a change of it makes the number due."""
        if self.standings is None or claim.organization_id is None:
            return None
        found = (await self.standings.read([claim.organization_id])).get(claim.organization_id)
        if found is None or claim.watched or not (found.is_watched or claim.kept.ring_texts):
            return found
        # Read again once it is watched: a change in between is not missed.
        await claims.watch(self.pool, claim)
        return (await self.standings.read([claim.organization_id])).get(claim.organization_id)

    async def apply(
        self, claim: WebhookClaim, seen: PhoneNumberView, change: NumberChange, priority: Priority
    ) -> PhoneNumberView:
        """Write a change of the gate fields; returns the number as Vapi then shows it.

        Removing our ringing hook is urgent: a pause of everything does not hold it up.
        """
        bound = bindings_of(seen.raw)
        if change.kind == "gates" and claim.gate == "request" and not claim.answer_with and bound:
            # It has to be our answer before Vapi asks us for one.
            name, value = next(iter(bound.items()))
            await claims.keep_answer(self.pool, claim, {name: value})
        if change.kept and not await claims.keep_gates(self.pool, claim, change.kept):
            raise ClaimLostError
        written = await self.writer.write(
            claim,
            Target("phone_number", claim.vapi_phone_number_id),
            seen,
            change.body or {},
            cause=change.cause,
            fields=change.fields,
            priority=priority,
            urgent=change.kind == "unblock",
        )
        await self.writer.confirm(written)
        return PhoneNumberView(written.view.raw)
