"""Facts for a replay that note when a policy reads one that is not stored. No I/O.

A policy sees None in its place, and its answer does not count: it would be a guess.
"""

from collections.abc import Set as AbstractSet
from dataclasses import fields
from typing import Any, TypeVar

from policies.contract import AccessRequest, CallFacts, OrganizationFacts

Watched = TypeVar("Watched", bound="Watching")


class Watching:
    """Facts of which some are not stored; reading one of these notes its name."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        unstored: AbstractSet[str] = object.__getattribute__(self, "unstored")
        if name in unstored:
            prefix: str = object.__getattribute__(self, "prefix")
            noted: set[str] = object.__getattribute__(self, "noted")
            noted.add(prefix + name)
            return None
        return object.__getattribute__(self, name)


class NotedRequest(Watching, AccessRequest):
    """A request in which a reading is noted."""

    __slots__ = ("noted", "prefix", "unstored")


class NotedCall(Watching, CallFacts):
    """A call likewise."""

    __slots__ = ("noted", "prefix", "unstored")


class NotedOrganization(Watching, OrganizationFacts):
    """An organization likewise."""

    __slots__ = ("noted", "prefix", "unstored")


def watch(given: AccessRequest, unstored: AbstractSet[str], noted: set[str]) -> AccessRequest:
    """The request, where the facts named in `unstored` (`usage`, `call.message`) are not to be read;
    what is read of them all the same is put into `noted`."""
    changed: dict[str, object] = {}
    if given.call is not None and (names := of_part(unstored, "call.")):
        changed["call"] = put_together(NotedCall, given.call, names, noted, "call.")
    if names := of_part(unstored, "organization."):
        organization = given.organization
        changed["organization"] = put_together(
            NotedOrganization, organization, names, noted, "organization."
        )
    names = frozenset(name for name in unstored if "." not in name)
    watched = put_together(NotedRequest, given, names, noted, "")
    for name, value in changed.items():
        object.__setattr__(watched, name, value)
    return watched


def of_part(unstored: AbstractSet[str], prefix: str) -> frozenset[str]:
    """The names within a part of the request."""
    return frozenset(name.removeprefix(prefix) for name in unstored if name.startswith(prefix))


def put_together(
    kind: type[Watched], facts: Any, unstored: frozenset[str], noted: set[str], prefix: str
) -> Watched:
    """Facts of this kind with the values of the given ones."""
    watched = object.__new__(kind)
    for one in fields(facts):
        object.__setattr__(watched, one.name, getattr(facts, one.name))
    for name, value in (("unstored", unstored), ("noted", noted), ("prefix", prefix)):
        object.__setattr__(watched, name, value)
    return watched
