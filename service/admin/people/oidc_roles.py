"""The role of a user of the provider in the claims about them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.domain.people import ROLES, Role


def role_of(claims: Mapping[str, Any], claim: str) -> Role | None:
    """The highest of our roles in a claim; the claim's name may be a path (`realm.roles`)."""
    value = find_claim(claims, claim)
    given = value if isinstance(value, list) else [value]
    return next((role for role in reversed(ROLES) if role in given), None)


def find_claim(claims: Mapping[str, Any], claim: str) -> Any:
    """The value of a claim or of a path into nested objects; None if there is none."""
    value = claims.get(claim)
    return value if value is not None else find_path(claims, claim.split("."))


def find_path(value: Any, parts: Sequence[str]) -> Any:
    """The value at a path. A name may contain dots itself, as ids of clients do."""
    if not parts:
        return value
    if not isinstance(value, Mapping):
        return None
    for end in range(len(parts), 0, -1):
        name = ".".join(parts[:end])
        found = find_path(value[name], parts[end:]) if name in value else None
        if found is not None:
            return found
    return None
