"""The facts that a number's plan follows from, and their comparison. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.domain.phone_numbers import FieldDrift
from service.domain.reconcile import WebhookClaim
from service.reconcile.desired import DesiredWebhook
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.applied import accepted_form
from service.reconcile.steps.assistant_fields import (
    AssistantNeeds,
    assistant_needs,
    is_bound,
    route_drift,
)
from service.reconcile.steps.gate_fields import DesiredGateFields, GateFieldChanges, gate_changes
from service.reconcile.steps.route import Bound
from service.vapi.errors import VapiRejectedError
from service.vapi.resources import PhoneNumberView

NUMBER_REFUSED = "number_refused"
"""The problem of a number that takes no webhook, so that its assistants carry it."""


@dataclass(frozen=True, slots=True)
class DesiredNumber:
    """The desired state. `on_assistants`: the webhook may be put on the organization's own
    assistants. `enforced`: drift is repaired without an admin's order."""

    webhook: DesiredWebhook
    gates: DesiredGateFields
    on_assistants: bool = True
    enforced: bool = True


@dataclass(frozen=True, slots=True)
class ObservedNumber:
    """The number at Vapi. `bound` is what answers it; None: not read yet.

    The rest is known once a pass has written: `applied` as from `applied_of`, `written` whether the
    gate fields were, `refusal` why Vapi took no webhook on the number.
    """

    number: PhoneNumberView
    bound: Bound | None = None
    applied: Mapping[str, Any] | None = None
    written: bool = False
    refusal: VapiRejectedError | None = None


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """All that a plan follows from."""

    desired: DesiredNumber
    observed: ObservedNumber
    claim: WebhookClaim

    @property
    def may_write(self) -> bool:
        return not self.claim.paused and (
            self.desired.enforced or self.claim.ordered_by is not None
        )

    @property
    def only_assistants(self) -> bool:
        """Whether the number takes no webhook; an admin's order tries it again."""
        skipped = self.claim.problem == NUMBER_REFUSED and self.claim.ordered_by is None
        return self.observed.refusal is not None or skipped


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs; None for what is not compared."""

    webhook: tuple[FieldDrift, ...]
    gates: GateFieldChanges | None
    needs: AssistantNeeds | None
    drift: tuple[FieldDrift, ...]


def compare(facts: NumberFacts) -> Differences:
    """Compare the number, its gate fields and what answers it with the desired state."""
    desired, observed, claim = facts.desired, facts.observed, facts.claim
    webhook = () if facts.only_assistants else webhook_drift(facts)
    gates = needs = None
    if observed.refusal is None:
        raw, written = observed.number.raw, observed.written
        gates = gate_changes(desired.gates, raw, claim.kept, written=written)
    if observed.bound is not None or not is_bound(observed.number):
        needs = assistant_needs(
            desired.webhook,
            observed.number,
            observed.bound or Bound({}),
            claim.assistant_ids,
            owned=claim.owned_assistants if desired.on_assistants else (),
            every_one=facts.only_assistants,
        )
    drift = (
        *webhook,
        *(gates.drift if gates else ()),
        *(route_drift(desired.webhook, needs) if needs else ()),
    )
    return Differences(webhook, gates, needs, drift)


def webhook_drift(facts: NumberFacts) -> tuple[FieldDrift, ...]:
    """The drift of the number's own webhook; numbers in sync, which are most, are recognized fast."""
    desired, server = facts.desired.webhook, facts.observed.number.server
    if server == webhook_fields.merged(desired, server):
        return ()
    applied = facts.observed.applied or facts.claim.last_applied
    return webhook_fields.changes(desired, server, shown=accepted_form(applied, desired, server))
