"""What one number needs, decided in one place. Pure.

The pass applies a plan change by change, the sweep records it, and dry runs and previews show it.
Changes come in the order in which they are applied: take off a ringing hook that blocks a paying
organization, the webhook on the number, its gate fields, then the assistants that answer it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from service.domain.fingerprint import fingerprint
from service.domain.phone_numbers import Cause, FieldDrift, SyncState
from service.domain.reconcile import KeptFields, PassResult, WebhookClaim
from service.reconcile import brakes
from service.reconcile.desired import DesiredWebhook
from service.reconcile.failures import fight_result
from service.reconcile.steps import webhook_fields
from service.reconcile.steps.applied import applied_of, cause_of
from service.reconcile.steps.assistant_fields import WITHIN, AssistantNeeds
from service.reconcile.steps.gate_fields import cause_of_gates, is_rewording, only_unblocking
from service.reconcile.steps.number_facts import (
    NUMBER_REFUSED,
    DesiredNumber,
    Differences,
    NumberFacts,
    ObservedNumber,
    compare,
)
from service.reconcile.steps.route import Bound
from service.vapi.resources import AssistantView, PhoneNumberView

ChangeKind = Literal["unblock", "webhook", "gates", "carry", "share", "give_back"]

REFUSED_TEXT = "Vapi refuses a webhook on the number itself: its assistant carries it instead."
OBSERVED = "Not repaired: CALLGATE_RECONCILE_MODE is observe. Sync the number to repair it."


@dataclass(frozen=True, slots=True)
class NumberChange:
    """One change of a number or an assistant. `body` are whole fields of the object.

    `carry` puts the webhook on an assistant; `share` notes that this number needs it there too;
    `give_back` restores an assistant. `kept` is what may be ours while gate fields are written.
    `rewords`: only the text of our ringing hook is new.
    """

    kind: ChangeKind
    vapi_id: str
    fields: tuple[FieldDrift, ...] = ()
    cause: Cause = "added"
    body: Mapping[str, Any] | None = None
    kept: KeptFields | None = None
    rewords: bool = False

    @property
    def is_repair(self) -> bool:
        """Whether it repairs drift; the others only track which numbers need an assistant."""
        return self.kind not in ("share", "give_back")

    @property
    def on_number(self) -> bool:
        return self.kind in ("unblock", "webhook", "gates")


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """What to change, and what a pass records.

    `found` is the result while nothing is changed, `result` once all `changes` are applied. `kept` is
    what is ours on the number then; None where its gate fields stay as they are. `shadowed`: servers
    that we may not change take events away.
    """

    changes: tuple[NumberChange, ...]
    found: PassResult
    result: PassResult
    kept: KeptFields | None = None
    shadowed: bool = False

    @property
    def is_expected(self) -> bool:
        """Whether the repairs are no surprise: a new secret of ours, the end of a block, or a hook that
        names another day, which all blocked numbers need at midnight."""
        repairs = [change for change in self.changes if change.is_repair]
        return all(
            one.kind == "unblock" or one.rewords or one.cause == "secret_rotated" for one in repairs
        )


def number_plan(
    desired: DesiredNumber, observed: ObservedNumber, claim: WebhookClaim
) -> NumberPlan:
    """Plan one number. What an assistant gets back is not known here: once it is restored, the pass
    observes again."""
    facts = NumberFacts(desired, observed, claim)
    seen = differences = compare(facts)
    step = next_step(facts, differences)
    found = result = evaluate(facts, differences, step)
    changes = []
    while isinstance(step, NumberChange):
        changes.append(step)
        facts = after(facts, step)
        differences = compare(facts)
        step = next_step(facts, differences)
        result = evaluate(facts, differences, step)
    gates = None if differences.webhook else differences.gates
    kept = None if gates is None or gates.drift else gates.kept
    shadowed = is_shadowed(facts, seen.needs)
    return NumberPlan(tuple(changes), found, result, kept, shadowed)


def next_step(facts: NumberFacts, found: Differences) -> NumberChange | PassResult | None:
    """The next change; or why drift must not be repaired now; None: there is nothing to change."""
    for change in number_changes(facts, found):
        if change.kind == "unblock":
            # Neither a pause nor a fight nor observing may keep a paying organization blocked.
            return change
        return left_alone(facts, found, change.fields, change.cause) or change
    if found.needs is None:
        return None
    if is_mendable(facts, found.needs):
        changes = [carry(facts, found.needs, one) for one in found.needs.needed]
        carrying = facts.claim.assistant_ids
        undone = [one for one in changes if one.vapi_id in carrying and one.cause == "drift"]
        fields = tuple(entry for one in undone for entry in one.fields)
        cause = "drift" if undone else changes[0].cause
        return left_alone(facts, found, fields, cause) or changes[0]
    return next(followed_needs(facts, found.needs), None) if facts.may_write else None


def number_changes(facts: NumberFacts, found: Differences) -> Iterator[NumberChange]:
    """The changes of the number itself, in order."""
    desired, claim, number = facts.desired.webhook, facts.claim, facts.observed.number
    gates = found.gates
    if gates is not None and (hooks := only_unblocking(gates)):
        fields = tuple(entry for entry in gates.drift if entry.field.startswith("hooks."))
        kept = replace(gates.written, unbound=claim.kept.unbound)
        cause = cause_of_gates(gates, claim.kept)
        yield NumberChange("unblock", claim.vapi_phone_number_id, fields, cause, hooks, kept)
    if found.webhook:
        body = {"server": webhook_fields.merged(desired, number.server)}
        cause = cause_of(found.webhook, number.server, claim.last_applied, desired)
        fields = (*found.webhook, *webhook_fields.hidden_secret(desired, number))
        yield NumberChange("webhook", claim.vapi_phone_number_id, fields, cause, body)
    if gates is not None and gates.drift:
        # Unbound only after the webhook: the assistant-requests that follow have to come to us.
        cause = cause_of_gates(gates, claim.kept)
        vapi_id = claim.vapi_phone_number_id
        rewords = is_rewording(gates, claim.kept)
        yield NumberChange("gates", vapi_id, gates.drift, cause, gates.body, gates.written, rewords)


def carry(
    facts: NumberFacts, needs: AssistantNeeds, assistant_id: str, kind: ChangeKind = "carry"
) -> NumberChange:
    """Put our webhook on an assistant."""
    desired, claim = facts.desired.webhook, facts.claim
    view = needs.answering[assistant_id]
    server = view.server
    fields = webhook_fields.changes(desired, server, within=WITHIN)
    applied = claim.last_applied if assistant_id in claim.assistant_ids else None
    cause = cause_of(fields, server, applied, desired)
    fields = (*fields, *webhook_fields.hidden_secret(desired, view, WITHIN))
    body = {"server": webhook_fields.merged(desired, server)}
    return NumberChange(kind, assistant_id, fields, cause, body)


def is_mendable(facts: NumberFacts, needs: AssistantNeeds) -> bool:
    """Whether our webhook on the assistants is allowed, and would bring all events to us."""
    owned = set(needs.needed) <= set(facts.claim.owned_assistants)
    return facts.desired.on_assistants and bool(needs.needed) and owned and not needs.others


def is_shadowed(facts: NumberFacts, needs: AssistantNeeds | None) -> bool:
    """Whether servers that we may not change take events away."""
    return needs is not None and not (needs.well or is_mendable(facts, needs))


def followed_needs(facts: NumberFacts, needs: AssistantNeeds) -> Iterator[NumberChange]:
    """Assistants that this number needs too, or no longer.

    An assistant that posts to us already, for another number or by an admin's hand, is shared, so that
    the other number's release leaves the webhook there.
    """
    desired, claim = facts.desired, facts.claim
    owned = claim.owned_assistants if desired.on_assistants else ()
    for assistant_id, view in needs.answering.items():
        shared = assistant_id in owned and assistant_id not in claim.assistant_ids
        if shared and webhook_fields.is_ours(desired.webhook, view.server):
            yield carry(facts, needs, assistant_id, "share")
    for assistant_id in claim.assistant_ids:
        if assistant_id not in owned or assistant_id not in needs.answering:
            yield NumberChange("give_back", assistant_id, cause="released")


def left_alone(
    facts: NumberFacts, found: Differences, fields: tuple[FieldDrift, ...], cause: Cause
) -> PassResult | None:
    """Why drift must not be repaired now; None when it may."""
    claim = facts.claim
    if claim.paused:
        return PassResult(SyncState.PAUSED, found.drift, retry_in=claim.pause_left)
    if not facts.may_write:
        return PassResult(SyncState.DRIFTED, found.drift, OBSERVED, "observe")
    if cause == "drift" and brakes.is_fight(claim.fights):
        return fight_result(fields, found.drift, claim)
    return None


def after(facts: NumberFacts, change: NumberChange) -> NumberFacts:
    """The facts once Vapi has a change."""
    observed, claim, body = facts.observed, facts.claim, change.body or {}
    if change.on_number:
        raw = {**observed.number.raw, **body}
        number = PhoneNumberView({key: raw[key] for key in raw if raw[key] is not None})
        observed = replace(observed, number=number)
        if change.kind == "webhook":
            observed = replace(observed, applied=applied_of(facts.desired.webhook))
        else:
            written = observed.written or change.kind == "gates"
            observed = replace(observed, written=written)
            claim = replace(claim, kept=change.kept or claim.kept)
        return replace(facts, observed=observed, claim=claim)
    others = tuple(one for one in claim.assistant_ids if one != change.vapi_id)
    ids = others if change.kind == "give_back" else (*others, change.vapi_id)
    claim = replace(claim, assistant_ids=ids)
    bound = observed.bound or Bound({})
    if view := bound.assistants.get(change.vapi_id):
        server = {"server": body.get("server"), "serverUrl": None}
        assistants = {**bound.assistants, change.vapi_id: AssistantView({**view.raw, **server})}
        observed = replace(observed, bound=replace(bound, assistants=assistants))
    return replace(facts, observed=observed, claim=claim)


def evaluate(
    facts: NumberFacts, found: Differences, step: NumberChange | PassResult | None
) -> PassResult:
    """What a pass records that ends here."""
    if isinstance(step, PassResult):
        return step
    if step is not None and step.is_repair:
        error = found.needs.remedy if found.needs and is_shadowed(facts, found.needs) else None
        drifted = PassResult(SyncState.DRIFTED, found.drift, error)
        return left_alone(facts, found, step.fields, step.cause) or drifted
    return conclude(facts, found)


def conclude(facts: NumberFacts, found: Differences) -> PassResult:
    """The result where no drift is left that a change of ours would repair."""
    claim, needs, webhook = facts.claim, found.needs, facts.desired.webhook
    well = needs is None or needs.well
    if facts.only_assistants and not (well and needs is not None and needs.answering):
        # The assistant that carried the webhook is gone: the number itself is tried again.
        return PassResult(SyncState.PENDING, retry_in=0.0)
    applied = known_applied(webhook, facts.observed.applied or claim.last_applied)
    pause = claim.pause_left if claim.paused else None
    if needs is not None and not well:
        state = SyncState.PAUSED if claim.paused else SyncState.SHADOWED
        drift, problem = found.drift, "shadowed"
        applied = with_older_master(facts, needs, applied)
        return PassResult(state, drift, needs.remedy, problem, retry_in=pause, applied=applied)
    return PassResult(
        SyncState.PAUSED if claim.paused else SyncState.IN_SYNC,
        error=REFUSED_TEXT if facts.only_assistants else None,
        problem=NUMBER_REFUSED if facts.only_assistants else None,
        retry_in=pause,
        level="assistant" if claim.assistant_ids else "phone_number",
        applied=applied,
    )


def with_older_master(
    facts: NumberFacts, needs: AssistantNeeds, applied: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What to remember while an assistant of ours keeps the secret of an older master, because servers
    that are not ours stop its repair: that master is still carried, so it must not be removed."""
    claim, desired = facts.claim, facts.desired.webhook
    former = (claim.last_applied or {}).get("master")
    for one in set(needs.needed) & set(claim.assistant_ids):
        values = webhook_fields.header_values((needs.answering[one].server or {}).get("headers"))
        if former is not None and values != [desired.secret]:
            return {**applied, "master": former}
    return applied


def known_applied(desired: DesiredWebhook, applied: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What to remember of a number in sync: how Vapi shows our secret stays known."""
    same = applied is not None and desired.secret is not None
    if same and applied and applied.get("secret") == fingerprint(str(desired.secret)):
        return applied_of(desired, applied.get("shown"))
    return applied_of(desired)
