"""Chooses the hook of a phone number that applies to an event. Pure."""

from service.sandbox.collection import Json


def ringing_action(number: Json, caller: str | None) -> Json | None:
    """The first action of the first call.ringing hook that matches the caller."""
    for hook in number.get("hooks") or []:
        if hook.get("on") == "call.ringing" and all(
            any((caller or "").startswith(prefix) for prefix in rule["startsWith"])
            for rule in hook.get("filters") or []
        ):
            actions = hook.get("do") or []
            if actions:
                return dict(actions[0])
    return None


def ending_action(number: Json, ended_reason: str) -> Json | None:
    """The action of the first call.ending hook whose filters name the reason."""
    for hook in number.get("hooks") or []:
        if hook.get("on") == "call.ending" and all(
            ended_reason in rule["oneOf"] for rule in hook.get("filters") or []
        ):
            action = hook.get("do")
            if action:
                return dict(action)
    return None
