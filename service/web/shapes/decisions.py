"""The shapes of decisions and their traces."""

from dataclasses import asdict, replace
from typing import Any, Literal
from uuid import UUID

from service.domain.decisions import DEFAULT, Basis, CallTerms, decider_of
from service.domain.decisions import Decision as AccessDecision
from service.domain.decisions import TraceEntry as PolicyVerdict
from service.web.shapes.bodies import ResponseBody
from service.web.shapes.fields import Instant


class SlotUse(ResponseBody):
    """A limit on calls under way. `in_use`: without this call; null: not counted. `share`: PostgreSQL
    was away, and the replica let calls in up to so many in use."""

    name: str
    capacity: int
    reason: str
    in_use: int | None
    share: int | None


class TraceEntry(ResponseBody):
    policy: str
    effect: Literal["allow", "deny", "abstain", "failed", "skipped"]
    reason: str | None
    counted_as: Literal["allow", "deny", "abstain"] | None
    note: str | None
    warning: str | None
    message: str | None
    divert_to: dict[str, Any] | None
    max_duration_seconds: int | None
    limits: list[SlotUse]
    duration_ms: float
    mode: Literal["enforce", "shadow", "off"]


class Decision(ResponseBody):
    """`message` is what the policy that denied says to the caller, `divert_to` where it sends the call:
    the answer that Vapi gets. `max_duration_seconds` is the shortest that a policy gives the call."""

    id: UUID
    effect: Literal["allow", "deny", "abstain"]
    determined_by: str | None
    reason: str
    basis: Basis
    trace: list[TraceEntry]
    message: str | None
    divert_to: dict[str, Any] | None
    max_duration_seconds: int | None


class DefaultStep(ResponseBody):
    """The last step of the chain: calls that no policy decides are denied. `skipped`: one decided."""

    effect: Literal["deny", "skipped"]
    reason: str | None


class AccessExplained(Decision):
    """A decision that nothing keeps. Of a policy that was not asked, `reason` is why."""

    has_tag = False

    allowed: bool
    policy: str | None
    decided_at: Instant
    default: DefaultStep


def terms_values(terms: CallTerms) -> dict[str, Any]:
    """What is shown of the terms: `until` only fills in what a caller hears."""
    values = asdict(terms)
    del values["until"]
    return values


def entry_shape(entry: PolicyVerdict) -> TraceEntry:
    """One policy's verdict, with what it says of the call beside its other fields."""
    values = asdict(entry)
    values.pop("terms")
    return TraceEntry.model_validate({**values, **terms_values(entry.terms)})


def decision_values(decision: AccessDecision) -> dict[str, object]:
    """A decision's fields as the API names them."""
    return {
        "id": decision.id,
        "effect": decision.effect.value,
        "determined_by": decision.determined_by,
        "reason": decision.reason,
        "basis": decision.basis,
        "trace": list(map(entry_shape, decision.trace)),
        **terms_values(decision.terms),
    }


ALREADY_DECIDED = "already_decided"
"""Why a policy that an answer before it made needless was not asked."""


def explained_shape(decision: AccessDecision) -> AccessExplained:
    """A decision with all that explains it: what each policy answered or why it was not asked, and
    the default."""
    by_default = decider_of(decision) == DEFAULT
    values = decision_values(decision)
    trace = [
        replace(entry, reason=entry.reason or ALREADY_DECIDED)
        if entry.effect == "skipped"
        else entry
        for entry in decision.trace
    ]
    return AccessExplained.model_validate(
        {
            **values,
            "trace": list(map(entry_shape, trace)),
            "allowed": decision.allowed,
            "policy": decision.determined_by,
            "decided_at": decision.decided_at,
            "default": DefaultStep(
                effect="deny" if by_default else "skipped",
                reason=decision.reason if by_default else None,
            ),
        }
    )
