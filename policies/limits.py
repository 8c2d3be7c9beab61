"""Limits on calls under way, which a policy states and the host counts. No I/O here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallLimit:
    """How many calls of one organization may be under way at once under a name. Build it with `limit`.

    The host counts: it lets a call in only while fewer than `capacity` calls hold this name.
    """

    name: str
    capacity: int
    reason: str


def limit(name: str, capacity: int, *, reason: str) -> CallLimit:
    """A limit for a verdict: at most `capacity` calls of the organization under way under this `name`.

    A call that is let in holds the name until its end is proved; where none is free, it is denied with
    `reason`. Name and reason are slugs. Policies that use one name share its count, and each call is
    compared with the capacity that its own verdict gives: some calls may be given less, so that the
    rest is kept for others.
    """
    return CallLimit(name, capacity, reason)
