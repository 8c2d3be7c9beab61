"""The shapes of decisions and their traces."""

from typing import Literal
from uuid import UUID

from service.domain.decisions import Basis
from service.domain.decisions import Decision as AccessDecision
from service.web.shapes.bodies import ResponseBody
from service.web.shapes.fields import Instant


class TraceEntry(ResponseBody):
    policy: str
    effect: Literal["allow", "deny", "abstain", "failed", "skipped"]
    reason: str | None
    counted_as: Literal["allow", "deny", "abstain"] | None
    note: str | None
    warning: str | None
    duration_ms: float


class Decision(ResponseBody):
    id: UUID
    effect: Literal["allow", "deny", "abstain"]
    determined_by: str | None
    reason: str
    basis: Basis
    trace: list[TraceEntry]


class AccessExplained(Decision):
    allowed: bool
    policy: str | None
    decided_at: Instant


def decision_values(decision: AccessDecision) -> dict[str, object]:
    """A decision's fields as the API names them."""
    return {
        "id": decision.id,
        "effect": decision.effect.value,
        "determined_by": decision.determined_by,
        "reason": decision.reason,
        "basis": decision.basis,
        "trace": [TraceEntry.model_validate(entry) for entry in decision.trace],
    }
