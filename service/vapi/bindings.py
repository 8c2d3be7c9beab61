"""What answers a phone number: the fields by which Vapi's objects name it. Pure."""

from collections.abc import Mapping
from typing import Any

from policies.host.ids import canonical_id

BINDINGS = ("assistantId", "squadId", "workflowId")
"""A number that has none of these makes Vapi send an assistant-request."""

BINDING_KINDS = {"assistantId": "assistant", "squadId": "squad", "workflowId": "workflow"}
"""The kind of object that each of them names."""

FALLBACK = "fallbackDestination"
"""Where Vapi transfers a caller when an assistant-request is not answered."""

ROUTING = ("id", "name", "server", "serverUrl", "assistantId", "assistantVersion")
HOLDING = ("members", "membersOverrides", "assistant", "assistantOverrides")


def bindings_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The bindings that an object sets, by field."""
    return {name: raw[name] for name in BINDINGS if raw.get(name)}


def assistant_of(answer: Mapping[str, object] | None) -> str | None:
    """The saved assistant that an answer names, by its id in canonical form."""
    found = (answer or {}).get("assistantId")
    return canonical_id(found) if isinstance(found, str) else None


def routing_fields(raw: Mapping[str, Any]) -> dict[str, Any]:
    """An object reduced to its server and name, and a squad to those of its members."""
    kept = {key: raw[key] for key in ROUTING if key in raw}
    for key in HOLDING:
        held = raw.get(key)
        if isinstance(held, Mapping):
            kept[key] = routing_fields(held)
        elif isinstance(held, list):
            kept[key] = [routing_fields(item) for item in held if isinstance(item, Mapping)]
    return kept
