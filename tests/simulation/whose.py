"""What of a number at Vapi is ours, and what is not, told without our own code."""

from collections.abc import Mapping
from typing import Any

OWNED = ("url", "timeoutSeconds", "backoffPlan")
HEADER = "x-vapi-secret"
OURS = "https://calls.agency.net/api/vapi/webhook"
PREFIX = "cgo1."
"""Every secret of ours that is written to Vapi begins so."""
GREETING = "Welcome "
"""Other tools' ringing hooks begin so."""

Raw = Mapping[str, Any]


def server_of(raw: Raw) -> dict[str, Any]:
    return dict(raw.get("server") or {})


def headers_of(raw: Raw) -> dict[str, Any]:
    return dict(server_of(raw).get("headers") or {})


def owned_part(raw: Raw) -> dict[str, Any]:
    """The fields of the webhook that Callgate owns, and what answers the number."""
    server = server_of(raw)
    own = {name: value for name, value in headers_of(raw).items() if name.lower() == HEADER}
    return {
        **{name: server.get(name) for name in OWNED},
        "header": own,
        "assistantId": raw.get("assistantId"),
    }


def foreign_part(raw: Raw, *, server: bool = True) -> dict[str, Any]:
    """All that others own; without `server`, nothing of its block."""
    block = server_of(raw) if server else {}
    headers = headers_of(raw) if server else {}
    owned = ("server", "hooks", "assistantId")
    return {
        **{name: value for name, value in raw.items() if name not in owned},
        "server": {name: value for name, value in block.items() if name not in (*OWNED, "headers")},
        "headers": {name: value for name, value in headers.items() if name.lower() != HEADER},
        "hooks": [hook for hook in raw.get("hooks") or [] if not is_our_hook(hook)],
    }


def spoken(hook: Raw) -> str:
    return str(hook["do"][0]["exact"])


def is_our_hook(hook: Raw) -> bool:
    return not spoken(hook).startswith(GREETING)


def posts_to_us(raw: Raw) -> bool:
    return server_of(raw).get("url") == OURS


def carries_ours(raw: Raw, *, hooks: bool) -> bool:
    """Whether something of ours is on a number: our address, a secret, or (with `hooks`) a hook."""
    secret = any(str(value).startswith(PREFIX) for value in headers_of(raw).values())
    hooked = hooks and any(is_our_hook(hook) for hook in raw.get("hooks") or [])
    return posts_to_us(raw) or secret or hooked
