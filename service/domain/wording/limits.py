"""The words of limits on calls under way. Pure."""

from service.domain.decisions import SlotUse
from service.domain.wording.labels import spaced


def describe_limit(limit: SlotUse) -> str:
    """How much of a limit was in use, without the call at hand: 3 of 5 in use (calls at once)."""
    name, used = spaced(limit.name), "?" if limit.in_use is None else str(max(limit.in_use, 0))
    text = f"{used} of {limit.capacity} in use ({name})"
    if limit.share is None:
        return text
    return f"{text}, let in up to {max(limit.share, 0)} while PostgreSQL was away"
