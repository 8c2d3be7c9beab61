"""When to stop instead of repairing: too many changes in a sweep, or a fight over a number. Pure."""

import hashlib
from collections.abc import Iterable

import orjson

from service.domain.sweeps import Repair

ALWAYS_ALLOWED = 10
"""A sweep may always change this many numbers, however few are registered."""

REVERTS_AN_HOUR = 3


def most_changes(registered: int, share: float) -> int:
    """How many numbers a sweep may change without approval."""
    return max(ALWAYS_ALLOWED, int(registered * share))


def is_fight(repaired: int) -> bool:
    """Whether another tool keeps reverting our repairs, of which it undid `repaired` within the hour."""
    return repaired + 1 >= REVERTS_AN_HOUR


def plan_of(repairs: Iterable[Repair]) -> str:
    """A fingerprint of a set of repairs, by which an admin approves exactly these."""
    digest = hashlib.sha256()
    for repair in sorted(repairs, key=lambda one: one.phone_number_id):
        fields = [[entry.field, entry.desired, entry.observed] for entry in repair.changes]
        digest.update(orjson.dumps([str(repair.phone_number_id), fields]))
    return digest.hexdigest()[:16]
