"""A replica's cache in front of the rows of calls: enough to answer later messages of each."""

import time
from collections import OrderedDict
from datetime import datetime
from uuid import UUID

import msgspec

from policies.contract import Effect
from service.domain.calls import NewCall
from service.domain.decisions import NO_TERMS, Basis, CallTerms, Decision
from service.store.calls.decisions import StoredDecision

MOST_CALLS = 50_000


class KnownCall(msgspec.Struct, gc=False):
    """One cached call, or another organization's claim on it. `hung_up_at` is monotonic: when its last
    hang-up began, or when Vapi was last asked about the claim.

    `number` is Vapi's id of the number that named the organization. `owner_checked`: Vapi has told
    whose call it is. `claims`: decisions for other organizations that messages of this call named.
    `connected`: its record says so, or will within a moment.
    `basis`, `determined_by`, `decided_at` and `terms` are the decision's. `slots` are those of limits
    that the call held when it was cached.

    A replica holds tens of thousands of these. The garbage collector skips them, because traversing
    them would pause every call; for the same reason `decision_id` is text, and a claim does not
    refer back to its call.
    """

    decision_id: str
    allowed: bool
    reason: str
    organization_id: UUID | None
    number: str | None = None
    hung_up: bool = False
    owner_checked: bool = False
    hung_up_at: float = 0.0
    had_control_url: bool = False
    connected: bool = False
    claims: dict[UUID, "KnownCall"] | None = None
    basis: Basis = "fresh"
    determined_by: str | None = None
    decided_at: datetime | None = None
    terms: CallTerms = NO_TERMS
    slots: tuple[str, ...] = ()

    @property
    def diverted(self) -> bool:
        """Whether the call was denied and goes on elsewhere."""
        return not self.allowed and self.terms.divert_to is not None


class KnownCalls:
    """The calls used last, at most `most` of them, each with the claims on it.

    `unconfirmed`: those whose decision waits in the spool; PostgreSQL may know a better one.
    `cut`: granted calls that were cut when their access ended, and whose end is not proved.
    """

    def __init__(self, most: int = MOST_CALLS) -> None:
        self.most = most
        self.calls: OrderedDict[str, KnownCall] = OrderedDict()
        self.unconfirmed: dict[str, None] = {}
        self.cut: set[str] = set()

    def get(self, call_id: str) -> KnownCall | None:
        """The cached call, which thereby becomes the one used last."""
        known = self.calls.get(call_id)
        if known is not None:
            self.calls.move_to_end(call_id)
        return known

    def find(self, call_id: str, organization_id: UUID | None) -> KnownCall | None:
        """The cached decision on a call for one organization: the call's own, or a claim on it."""
        known = self.get(call_id)
        if known is None or known.organization_id == organization_id:
            return known
        if known.claims is None or organization_id is None:
            return None
        return known.claims.get(organization_id)

    def put(self, call_id: str, known: KnownCall) -> None:
        """Cache a decision: a claim beside another organization's call, else the call itself."""
        earlier, organization_id = self.calls.get(call_id), known.organization_id
        owner = None if earlier is None else earlier.organization_id
        if earlier is None or None in (owner, organization_id) or owner == organization_id:
            self.put_owner(call_id, known)
        elif organization_id is not None:
            earlier.claims = {**(earlier.claims or {}), organization_id: known}

    def update(self, call_id: str, fresh: KnownCall) -> None:
        """Cache a call as PostgreSQL has it; the deeds of a decision that stays are kept. Vapi's word on
        whose call it is is final: a row without it was read before."""
        earlier = self.calls.get(call_id)
        if earlier is not None and earlier.owner_checked and not fresh.owner_checked:
            return
        if earlier is not None:
            fresh.connected = fresh.connected or earlier.connected
            keep_deeds(earlier, fresh)
            for organization_id, claim in (fresh.claims or {}).items():
                if (known := (earlier.claims or {}).get(organization_id)) is not None:
                    keep_deeds(known, claim)
        self.put_owner(call_id, fresh)

    def put_owner(self, call_id: str, known: KnownCall) -> None:
        """Cache a call in the place of what was cached of it; the one unused for longest makes room."""
        earlier = self.calls.get(call_id)
        if earlier is not None and known.claims is None:
            known.claims = earlier.claims
        self.calls[call_id] = known
        while len(self.calls) > self.most:
            dropped, _ = self.calls.popitem(last=False)
            self.unconfirmed.pop(dropped, None)


def keep_deeds(earlier: KnownCall, fresh: KnownCall) -> None:
    """Carry over when a decision was last acted on, so that reading it again delays no hang-up.

    The hang-up of a guess is ordered with its record: until then nothing was done.
    """
    if earlier.decision_id == fresh.decision_id:
        if earlier.hung_up or not fresh.hung_up:
            fresh.hung_up_at = earlier.hung_up_at
        fresh.hung_up = fresh.hung_up or earlier.hung_up
        fresh.had_control_url = fresh.had_control_url or earlier.had_control_url


def known_from(call: NewCall) -> KnownCall:
    """The cache entry of a call that this replica has just decided."""
    return KnownCall(
        str(call.decision.id),
        call.decision.allowed,
        call.decision.reason,
        call.organization_id,
        call.vapi_phone_number_id,
        hung_up=call.hangup_after_seconds is not None and not call.guessed,
        hung_up_at=time.monotonic(),
        had_control_url=call.control_url is not None,
        connected=bool(call.details.connected),
        basis=call.decision.basis,
        determined_by=call.decision.determined_by,
        decided_at=call.decision.decided_at,
        terms=call.decision.terms,
        slots=() if call.ended_at else call.slots,
    )


def known_from_stored(stored: StoredDecision) -> KnownCall:
    """The cache entry of a call that another replica, or an earlier process, decided."""
    return KnownCall(
        str(stored.decision.id),
        stored.decision.allowed,
        stored.decision.reason,
        stored.organization_id,
        stored.vapi_phone_number_id,
        hung_up=stored.hung_up,
        owner_checked=stored.owner_checked,
        hung_up_at=time.monotonic(),
        had_control_url=stored.gate == "event",
        basis=stored.decision.basis,
        determined_by=stored.decision.determined_by,
        decided_at=stored.decision.decided_at,
        terms=stored.decision.terms,
        slots=stored.slots,
    )


def decision_of(known: KnownCall, otherwise: datetime) -> Decision:
    """The decision on a cached call, without its trace; `otherwise`: when, if it is not known."""
    return Decision(
        UUID(known.decision_id),
        Effect.ALLOW if known.allowed else Effect.DENY,
        known.reason,
        known.determined_by,
        known.basis,
        (),
        known.decided_at or otherwise,
        terms=known.terms,
    )
