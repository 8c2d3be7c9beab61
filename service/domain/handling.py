"""How an organization wants its calls handled: choices, each with a default that changes nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

WhenAccessEnds = Literal["finish", "hang_up"]


@dataclass(frozen=True, slots=True)
class Handling:
    """An organization's choices. Durations are seconds.

    `ring_gate`: numbers without access are blocked by Vapi itself, before we are asked; None: as
    CALLGATE_RING_GATE says. `goodbye`: a blocked call hears the blocked message before it is hung up.
    `when_access_ends`: what becomes of calls under way. `decision_metadata`: a call that the request
    gate let in carries `metadata.callgate_decision_id`. `take_events`: events of calls that the
    request gate let in come to us although the assistant has a server of its own.
    `max_duration_seconds`: Vapi itself ends such a call then (10 to 43,200). `transfer_when_down`: an
    E.164 number that Vapi sends paying callers to when we do not answer; None: nothing is set.
    `language`: of blocked messages where there are several (BCP 47).
    """

    ring_gate: bool | None = None
    goodbye: bool = False
    when_access_ends: WhenAccessEnds = "finish"
    decision_metadata: bool = False
    take_events: bool = False
    max_duration_seconds: int | None = None
    transfer_when_down: str | None = None
    language: str | None = None

    @classmethod
    def parse(cls, stored: Mapping[str, Any]) -> "Handling":
        """Out of what is stored; keys of a newer version are left out."""
        known = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})

    def stored(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class BlockedMessage:
    """What a blocked caller hears. `reason` and `language` None: for every reason, every language.

    The text may name {organization}, {reason} and {date}.
    """

    text: str
    reason: str | None = None
    language: str | None = None
