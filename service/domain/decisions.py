"""The decision about one call, with all that explains it later."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from policies.contract import Effect
from service.domain.policies.choices import PolicyMode

Basis = Literal["fresh", "last_known_good", "reconstructed"]
"""`fresh`: the access directory was up to date. `last_known_good`: PostgreSQL or its notifications did
not answer, and the last known state decided; expiry dates still counted. Also where only the limits of
the call could not be counted. `reconstructed`: decided at a
later message of the call, with the facts of its beginning, because no decision on it could be read; a
decision from the beginning takes its place. `decided_at` is then the beginning."""

TraceEffect = Literal["allow", "deny", "abstain", "failed", "skipped"]
CountedAs = Literal["allow", "deny", "abstain"]


@dataclass(frozen=True, slots=True)
class CallTerms:
    """How a call goes on, by the policies that were asked.

    `message` is what the caller of a denied call hears, in the words of the policy that denied it.
    `divert_to` is where a denied call goes instead, as the answer that Vapi takes. A granted or diverted
    call may last `max_duration_seconds`. `until` is when the policy that denied may answer differently.
    """

    message: str | None = None
    divert_to: Mapping[str, Any] | None = None
    max_duration_seconds: int | None = None
    until: datetime | None = None


NO_TERMS = CallTerms()


@dataclass(frozen=True, slots=True)
class SlotUse:
    """A limit on calls under way that a policy stated, and how it was used without this call.

    `in_use` is None where nothing counted. `share`: PostgreSQL could not be asked, and up to so many in
    use this replica let calls in by itself.
    """

    name: str
    capacity: int
    reason: str
    in_use: int | None = None
    share: int | None = None

    @property
    def is_full(self) -> bool:
        """Whether no further call is let in."""
        most = self.capacity if self.share is None else min(self.share, self.capacity)
        return self.in_use is not None and self.in_use >= most


@dataclass(slots=True, unsafe_hash=True)
class TraceEntry:
    """One policy's verdict. `counted_as` differs from `effect` only for a failed policy; `note` and
    `warning` are the policy's own words. `terms`: how it says that the call goes on. An answer in the
    mode `shadow` did not count. A policy one of whose `limits` was full denied the call.

    It is never changed, but not frozen: each verdict builds one, and that takes three times as long.
    """

    policy: str
    effect: TraceEffect
    reason: str | None = None
    counted_as: CountedAs | None = None
    duration_ms: float = 0.0
    note: str | None = None
    warning: str | None = None
    terms: CallTerms = NO_TERMS
    mode: PolicyMode = "enforce"
    limits: tuple[SlotUse, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed or denied, with the reason and the policy that decided.

    `determined_by` names the policy whose verdict it is or, if none decided, whose reason it is; None
    when every policy abstained without a reason. `until` is when a policy that was asked may answer
    differently; it is not stored.
    """

    id: UUID
    effect: Effect
    reason: str
    determined_by: str | None
    basis: Basis
    trace: tuple[TraceEntry, ...]
    decided_at: datetime
    until: datetime | None = None
    terms: CallTerms = NO_TERMS

    @property
    def allowed(self) -> bool:
        return self.effect is Effect.ALLOW

    @property
    def limits(self) -> list[SlotUse]:
        """Those that policies stated whose answers counted."""
        stated = (entry for entry in self.trace if entry.limits and entry.mode == "enforce")
        return [limit for entry in stated for limit in entry.limits]

    @property
    def diverts(self) -> bool:
        """Whether it is a denial that sends the call elsewhere instead of refusing it."""
        return self.effect is Effect.DENY and self.terms.divert_to is not None

    def without_diversion(self) -> "Decision":
        """The same as an ordinary denial: no `assistant-request` is there to be answered."""
        if self.terms.divert_to is None:
            return self
        return replace(self, terms=replace(self.terms, divert_to=None))


DEFAULT = "default"
"""The decider of calls that no policy decided."""


def decider_of(decision: Decision) -> str:
    """The policy whose verdict decided, `default` if none did: an abstaining policy only gives the
    reason."""
    deciding = {"allow", "deny"}
    for entry in decision.trace:
        named = entry.policy == decision.determined_by
        if named and (entry.counted_as or entry.effect) in deciding:
            return entry.policy
    return DEFAULT
