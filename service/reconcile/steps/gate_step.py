"""The steps of a pass that are about a number's gates: unbinding, the ringing hook, the transfer.

Nothing is written before it is known whose it will be: a hook of ours that we no longer recognise
would block a client that pays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from service.domain.phone_numbers import Cause
from service.domain.priority import Priority
from service.domain.standing import AccessStanding
from service.reconcile.steps.gate_fields import (
    RING_FIELD,
    GateFieldChanges,
    desired_gates,
    gate_changes,
    only_unblocking,
)
from service.reconcile.steps.writer import ClaimLostError, Target, Writer
from service.store.pool import Pool
from service.store.reconcile import claims
from service.store.reconcile.claims import KeptFields, WebhookClaim
from service.store.reconcile.sweeps import SeenNumber
from service.vapi.bindings import BINDINGS, bindings_of
from service.vapi.resources import PhoneNumberView


class StandingReader(Protocol):
    """How organizations stand now, read from PostgreSQL."""

    async def read(self, organization_ids: Sequence[UUID]) -> Mapping[UUID, AccessStanding]: ...


def gates_of(held: WebhookClaim | SeenNumber) -> KeptFields:
    """What is known to be ours on a number."""
    return KeptFields(
        tuple(held.ring_texts), held.ring_on, tuple(held.fallback_numbers), held.unbound
    )


@dataclass(frozen=True, slots=True)
class GateStep:
    """Without `standings` what depends on an organization's access is left as it is."""

    pool: Pool
    writer: Writer
    standings: StandingReader | None = None

    async def standing(self, held: WebhookClaim) -> AccessStanding | None:
        """How the number's organization stands; from now on a change of that makes it due."""
        if self.standings is None or held.organization_id is None:
            return None
        found = (await self.standings.read([held.organization_id])).get(held.organization_id)
        if found is None or held.watched or not (found.is_watched or held.ring_texts):
            return found
        # Watched before it is read again: a change in between is not missed.
        await claims.watch(self.pool, held)
        return (await self.standings.read([held.organization_id])).get(held.organization_id)

    def is_out_of_date(self, held: WebhookClaim, standing: AccessStanding | None) -> bool:
        """Whether a hook or transfer of ours has to come or go because the access changed."""
        if standing is None:
            return False
        desired = desired_gates(held.gate, standing)
        return held.ring_on != (desired.ring is not None)

    def compare(
        self,
        held: WebhookClaim,
        seen: PhoneNumberView,
        standing: AccessStanding | None,
        written: KeptFields | None = None,
    ) -> GateFieldChanges:
        """What differs from what the number's gate and its organization's standing call for;
        `written`: after a write, of which this may be ours."""
        desired = desired_gates(held.gate, standing)
        kept = gates_of(held) if written is None else written
        return gate_changes(desired, seen.raw, kept, written=written is not None)

    async def unblock(
        self,
        held: WebhookClaim,
        seen: PhoneNumberView,
        standing: AccessStanding | None,
        priority: Priority,
    ) -> PhoneNumberView:
        """Take our ringing hook off a number that has access, before all else and whatever else is
        held up: a pause, a fight or a webhook that Vapi refuses must not keep it blocked."""
        changes = self.compare(held, seen, standing)
        body = only_unblocking(changes)
        if not body:
            return seen
        return await self.patch(held, seen, changes, body, priority, urgent=True)

    async def write(
        self,
        held: WebhookClaim,
        seen: PhoneNumberView,
        changes: GateFieldChanges,
        priority: Priority,
    ) -> PhoneNumberView:
        """Bring the gates to the desired state."""
        if held.gate == "request" and held.answer_with is None:
            bound = bindings_of(seen.raw)
            if bound:
                # It has to be our answer before Vapi asks us for one.
                name, value = next(iter(bound.items()))
                await claims.keep_answer(self.pool, held, {name: value})
        return await self.patch(held, seen, changes, changes.body, priority)

    async def patch(
        self,
        held: WebhookClaim,
        seen: PhoneNumberView,
        changes: GateFieldChanges,
        body: Mapping[str, Any],
        priority: Priority,
        *,
        urgent: bool = False,
    ) -> PhoneNumberView:
        """One change of the number, with what may be ours kept beforehand."""
        if not await claims.keep_gates(self.pool, held, changes.written):
            raise ClaimLostError
        written = await self.writer.write(
            held,
            Target("phone_number", held.vapi_phone_number_id),
            seen,
            body,
            cause=cause_of_gates(changes, gates_of(held)),
            fields=changes.drift,
            priority=priority,
            urgent=urgent,
        )
        await self.writer.confirm(written)
        return PhoneNumberView(written.view.raw)

    async def keep(self, held: WebhookClaim, kept: KeptFields) -> None:
        """Keep what is ours now that Vapi was seen to have it so."""
        if kept != gates_of(held):
            await claims.keep_gates(self.pool, held, kept)


def cause_of_gates(changes: GateFieldChanges, kept: KeptFields) -> Cause:
    """Somebody bound an assistant again or took our hook off; or the access or the gate changed."""
    theirs = False
    for entry in changes.drift:
        theirs |= entry.field in BINDINGS and entry.desired is None and kept.unbound is not None
        ours_before = kept.ring_on and kept.ring_texts[-1:] == (entry.desired,)
        theirs |= entry.field == RING_FIELD and ours_before
    if theirs:
        return "drift"
    names = {entry.field for entry in changes.drift}
    return "desired_changed" if names & set(BINDINGS) else "access_changed"
