"""How an organization's calls are handled: choices, each with a default that changes nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

WhenAccessEnds = Literal["finish", "hang_up"]


@dataclass(frozen=True, slots=True)
class Handling:
    """An organization's choices. Durations are seconds.

    `ring_gate`: Vapi itself blocks calls of numbers without access, before it asks us; None: as
    CALLGATE_RING_GATE says. `goodbye`: a blocked call hears the blocked message before it is hung up.
    `when_access_ends`: what happens to calls in progress. `decision_metadata`: a call that the request
    gate allowed carries `metadata.callgate_decision_id`. `take_events`: events of calls that the
    request gate allowed reach us although the assistant has a server of its own.
    `max_duration_seconds`: Vapi itself ends such a call then (10 to 43,200). `transfer_when_down`: an
    E.164 number that Vapi transfers callers to when we do not answer; None: nothing is set.
    `relay_fallback`: what answers a call, in Vapi's words, where the organization's own server does
    not; a `destination` also where a transfer asks for one. `language`: of blocked messages where
    there are several (BCP 47). `keep_transcripts_days`: how long transcripts and the addresses of
    recordings are kept (1 to 365); None: they are not stored.
    """

    ring_gate: bool | None = None
    goodbye: bool = False
    when_access_ends: WhenAccessEnds = "finish"
    decision_metadata: bool = False
    take_events: bool = False
    max_duration_seconds: int | None = None
    transfer_when_down: str | None = None
    language: str | None = None
    relay_fallback: Mapping[str, Any] | None = None
    keep_transcripts_days: int | None = None

    @classmethod
    def parse(cls, stored: Mapping[str, Any]) -> "Handling":
        """Parse stored choices; keys of a newer version are ignored."""
        known = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})

    def stored(self) -> dict[str, Any]:
        """As stored."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class BlockedMessage:
    """What a blocked caller hears. `reason` and `language` None: for every reason, every language.

    The text may name {organization}, {reason}, {date} and {until}.
    """

    text: str
    reason: str | None = None
    language: str | None = None
