"""The service's answer about one call, with everything that explains it later."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from policies.contract import Effect

Basis = Literal["fresh", "last_known_good"]
"""`fresh`: the access directory was provably up to date. `last_known_good`: PostgreSQL or its
notifications were away, and the last state that was read decided; expiry dates still counted."""

TraceEffect = Literal["allow", "deny", "abstain", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """What one policy contributed. `counted_as` differs from `effect` only for a failed one."""

    policy: str
    effect: TraceEffect
    reason: str | None = None
    counted_as: Literal["allow", "deny", "abstain"] | None = None
    duration_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed or denied, why, and by whom.

    `determined_by` names the policy whose verdict or, if nobody decided, whose reason it is; None
    when no policy had anything to say.
    """

    id: UUID
    effect: Effect
    reason: str
    determined_by: str | None
    basis: Basis
    trace: tuple[TraceEntry, ...]
    decided_at: datetime

    @property
    def allowed(self) -> bool:
        return self.effect is Effect.ALLOW
