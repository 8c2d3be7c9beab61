"""How Vapi splits an assistant's calls over its published versions (a beta). Pure."""

from collections.abc import Mapping
from typing import Any

from service.vapi.resources import mapping, mappings, text


def read_split(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The versions that take calls, each with its share, such as `v7 (90 %)`; empty without a split.

    `GET /assistant/{id}` gives the newest version alone: the servers of these may differ from its own.
    """
    allocation = mapping(raw.get("allocation"))
    if allocation.get("allocationIntent") == "follow-latest":
        return ()
    found = []
    for target in mappings(allocation.get("targets")):
        version, share = text(target.get("assistantVersion")), target.get("percentage")
        known = isinstance(share, int | float) and not isinstance(share, bool)
        if version is not None and (not known or share):
            found.append(f"{version} ({share:g} %)" if known else version)
    return tuple(found)
