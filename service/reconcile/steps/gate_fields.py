"""The owned fields of a number besides its webhook: bindings, a ringing hook, a transfer. Pure.

Hooks carry no id or name: ours are recognized by their text, and all others keep their order. Only
the first ringing hook runs, so ours comes before them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.domain.phone_numbers import Cause, FieldDrift, NumberGate
from service.domain.reconcile import KeptFields
from service.domain.standing import AccessStanding
from service.reconcile.steps.webhook_fields import ABSENT
from service.vapi.bindings import BINDINGS, FALLBACK, bindings_of
from service.vapi.hooks import (
    called_number,
    destination,
    ending_hook,
    ringing_hook,
    spoken_text,
    transfer_number,
)

RING_FIELD = "hooks.call.ringing"
ENDING_FIELD = "hooks.call.ending"
MOST_REMEMBERED = 20

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DesiredGateFields:
    """`ring` is the text of our hook, None for none; `transfer_to` an E.164 number, None for none.

    Where the access standing is not `known`, fields that depend on it are left as they are.
    """

    unbound: bool
    known: bool
    ring: str | None = None
    transfer_to: str | None = None


@dataclass(frozen=True, slots=True)
class GateFieldChanges:
    """The drift, and the fields of a PATCH that repairs it. `kept` is what is ours afterwards, `written`
    what may be ours while the PATCH is under way."""

    drift: tuple[FieldDrift, ...]
    body: Mapping[str, Any]
    written: KeptFields
    kept: KeptFields


def desired_gates(gate: NumberGate, standing: AccessStanding | None) -> DesiredGateFields:
    """The fields that a number's gate and its organization's standing require."""
    unbound = gate == "request"
    if standing is None:
        return DesiredGateFields(unbound, known=False)
    # Only the request gate can divert: a ringing hook would stop the call before it.
    diverts = unbound and standing.diverts
    rings = standing.ring and not standing.allowed and not diverts
    return DesiredGateFields(
        unbound,
        known=True,
        ring=standing.message if rings else None,
        transfer_to=standing.transfer_to if standing.allowed else None,
    )


def released_gates() -> DesiredGateFields:
    """The desired fields of a number being released: nothing of ours."""
    return DesiredGateFields(unbound=False, known=True)


def gate_changes(
    desired: DesiredGateFields, raw: Raw, kept: KeptFields, *, written: bool = False
) -> GateFieldChanges:
    """Compare a number with the desired fields. `kept` is what is known to be ours on it; `written`: the
    fields were just written and are read back."""
    found = Comparison(desired, raw, kept, written)
    unbound = found.compare_bindings()
    texts, numbers, ring_on = kept.ring_texts, kept.fallback_numbers, kept.ring_on
    if desired.known:
        transfer = found.compare_transfer()
        found.compare_hooks(transfer)
        texts, numbers = remembered(texts, desired.ring), remembered(numbers, transfer)
        ring_on = desired.ring is not None
    during = KeptFields(texts, kept.ring_on or ring_on, numbers, unbound or kept.unbound)
    after = KeptFields(texts, ring_on, numbers, unbound)
    return GateFieldChanges(tuple(found.drift), found.body, during, after)


def remembered(known: tuple[str, ...], value: str | None) -> tuple[str, ...]:
    """Our texts or numbers, the newest last. Removed ones stay listed: after a stale answer of Vapi our
    own hook would otherwise count as a foreign one permanently."""
    if value is None:
        return known
    return (*(one for one in known if one != value), value)[-MOST_REMEMBERED:]


@dataclass(slots=True)
class Comparison:
    """A comparison under way: the drift and the PATCH so far."""

    desired: DesiredGateFields
    raw: Raw
    kept: KeptFields
    written: bool
    drift: list[FieldDrift] = field(default_factory=list)
    body: dict[str, Any] = field(default_factory=dict)

    def compare_bindings(self) -> Raw | None:
        """Unbind what answers the number, or bind it again. Returns the bindings to restore later."""
        bound = bindings_of(self.raw)
        if self.desired.unbound:
            for name, value in bound.items():
                self.differs(name, None, value, name, None)
            return self.kept.unbound or bound or None
        owed = dict(self.kept.unbound or {})
        if owed and (not bound or (bound == owed and not self.written)):
            # Written even where it seems to be there: the answer may be from before we unbound it.
            for name, value in owed.items():
                self.differs(name, value, bound.get(name, ABSENT), name, value)
        # A binding that was made meanwhile is intended, and stays.
        return None

    def compare_transfer(self) -> str | None:
        """Compare the transfer for unanswered assistant-requests. Returns its number if it is ours.

        A destination that another tool set stays.
        """
        seen = called_number(self.raw.get(FALLBACK))
        wanted = self.desired.transfer_to
        if self.raw.get(FALLBACK) and seen not in (
            *self.kept.fallback_numbers,
            wanted or ABSENT,
        ):
            return None
        if seen != wanted:
            value = destination(wanted) if wanted else None
            self.differs(FALLBACK, wanted, seen or ABSENT, FALLBACK, value)
        return wanted

    def compare_hooks(self, transfer: str | None) -> None:
        """Compare our hooks, which come before all others; those keep their order."""
        given = self.raw.get("hooks")
        hooks = given if isinstance(given, list) else []
        ring = self.desired.ring
        texts = {*self.kept.ring_texts, *([ring] if ring else [])}
        numbers = {*self.kept.fallback_numbers, *([transfer] if transfer else [])}
        ringing = [hook for hook in hooks if spoken_text(hook) in texts]
        ending = [hook for hook in hooks if transfer_number(hook) in numbers]
        wanted = [ringing_hook(ring)] if ring else []
        wanted += [ending_hook(transfer)] if transfer else []
        wanted += [hook for hook in hooks if hook not in ringing and hook not in ending]
        first = spoken_text(hooks[0]) if hooks else None
        rings_well = [spoken_text(hook) for hook in ringing] == ([ring] if ring else []) and (
            ring is None or first == ring
        )
        ends_well = [transfer_number(hook) for hook in ending] == ([transfer] if transfer else [])
        if not rings_well:
            seen = "; ".join(str(spoken_text(hook)) for hook in ringing) or ABSENT
            self.differs(RING_FIELD, ring, seen, "hooks", wanted)
        if not ends_well:
            seen = "; ".join(str(transfer_number(hook)) for hook in ending) or ABSENT
            self.differs(ENDING_FIELD, transfer, seen, "hooks", wanted)

    def differs(self, name: str, wanted: object, seen: object, key: str, value: object) -> None:
        """Add a drifted field and its repair."""
        self.drift.append(FieldDrift(name, wanted, seen))
        self.body[key] = value


def cause_of_gates(changes: GateFieldChanges, kept: KeptFields) -> Cause:
    """Why gate fields have to change: another tool bound an assistant again or removed our hook; or the
    access or the gate changed."""
    theirs = False
    for entry in changes.drift:
        theirs |= entry.field in BINDINGS and entry.desired is None and kept.unbound is not None
        ours_before = kept.ring_on and kept.ring_texts[-1:] == (entry.desired,)
        theirs |= entry.field == RING_FIELD and ours_before
    if theirs:
        return "drift"
    names = {entry.field for entry in changes.drift}
    return "desired_changed" if names & set(BINDINGS) else "access_changed"


def is_rewording(changes: GateFieldChanges, kept: KeptFields) -> bool:
    """Whether all that changes is the text of our ringing hook: it names the day, or was edited."""
    return bool(changes.drift) and all(
        entry.field == RING_FIELD
        and entry.desired
        and entry.observed != entry.desired
        and entry.observed in kept.ring_texts
        for entry in changes.drift
    )


def only_unblocking(changes: GateFieldChanges) -> dict[str, Any]:
    """The part of a change that removes our ringing hook; empty if there is none.

    A pause never holds it up, because the organization may have paid.
    """
    off = any(takes_off(entry) for entry in changes.drift)
    return {"hooks": changes.body["hooks"]} if off else {}


def takes_off(entry: FieldDrift) -> bool:
    return entry.field == RING_FIELD and entry.desired is None
