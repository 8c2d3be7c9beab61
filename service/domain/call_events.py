"""Steps of a call, recorded and shown. Never a control URL, a transcript or a caller's number."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

StepKind = Literal[
    "message",
    "decided",
    "goodbye.sent",
    "goodbye.failed",
    "hangup.sent",
    "hangup.failed",
    "hangup.unknown",
    "hangup.refused",
    "hangup.looked",
    "hangup.waiting",
    "hangup.confirmed",
    "hangup.given_up",
    "hangup.restarted",
    "claimed",
    "owner.corrected",
    "cut",
    "ended",
]
"""`message`: Vapi sent a message. `hangup.sent`: Vapi accepted the command; `.unknown`: its control host
no longer knows the call; `.refused`: the control URL is not Vapi's; `.looked`: Vapi was asked whether
the call has ended; `.waiting`: the next check comes later. `claimed`: a message named another
organization than the call's; `owner.corrected`: Vapi told whose call it is. `decided`, `cut` and `ended`
are columns of the call's own row."""

StepRecorder = Callable[[str, StepKind, Mapping[str, object]], None]
"""Records a step of a call, by its id at Vapi, as of now. Returns at once and never fails."""


def ignore_step(_vapi_call_id: str, _kind: StepKind, _detail: Mapping[str, object]) -> None:
    """A recorder that drops every step."""


@dataclass(frozen=True, slots=True)
class CallStep:
    """One step of a call. The keys of `detail` depend on the kind."""

    at: datetime
    kind: str
    detail: Mapping[str, Any]
