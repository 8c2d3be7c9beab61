"""When to stop instead of repairing: a sweep that wants too much, a number that is fought over. Pure."""

import hashlib
from collections.abc import Iterable

import orjson

from service.domain.sweeps import Repair

ALWAYS_ALLOWED = 10
"""So many changes are no landslide, however few numbers there are."""

REVERTS_AN_HOUR = 3


def most_changes(registered: int, share: float) -> int:
    """How many numbers a sweep may change without asking."""
    return max(ALWAYS_ALLOWED, int(registered * share))


def is_fight(repaired: int) -> bool:
    """Whether one more change by somebody else, after `repaired` of ours that they undid within the
    hour, means that repairing again is no help."""
    return repaired + 1 >= REVERTS_AN_HOUR


def plan_of(repairs: Iterable[Repair]) -> str:
    """A short name of a set of repairs: equal names, equal changes. Applying one takes its name."""
    digest = hashlib.sha256()
    for repair in sorted(repairs, key=lambda one: one.phone_number_id):
        fields = [[entry.field, entry.desired, entry.observed] for entry in repair.changes]
        digest.update(orjson.dumps([str(repair.phone_number_id), fields]))
    return digest.hexdigest()[:16]
