"""Verdicts of policies in shadow: what they would have decided, and what a report says of it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Decided = Literal["allow", "deny"]


@dataclass(frozen=True, slots=True)
class ShadowVerdict:
    """What a policy in shadow answered about a call.

    `effect` is its answer, or `failed`, which counts as `counted_as`. `decided` is the decision on the
    call, `would` what the decision would have been with this one policy enforced.
    """

    policy: str
    vapi_call_id: str
    organization_id: UUID
    effect: str
    reason: str | None
    decided: Decided
    would: Decided
    at: datetime
    counted_as: str | None = None
    duration_ms: float = 0.0

    @property
    def differs(self) -> bool:
        """Whether the call would have been decided differently."""
        return self.decided != self.would


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """What a policy in shadow would have done in a period. `organizations` is how many of them would
    have had calls blocked, `failed` how often it gave no usable answer."""

    asked: int = 0
    would_have_blocked: int = 0
    would_have_allowed: int = 0
    organizations: int = 0
    failed: int = 0
