"""Steps of a call's life as they are noted and told. Never a control URL, what was said, or a caller."""

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
    "cut",
    "ended",
]
"""`message`: Vapi told us something. `hangup.sent`: Vapi took the command; `.unknown`: its control host
knows no such call (any more); `.refused`: the control URL is not Vapi's; `.looked`: Vapi was asked
whether the call is over; `.waiting`: the next round comes later. `decided`, `cut` and `ended` stand in
the call's own row."""

StepRecorder = Callable[[str, StepKind, Mapping[str, object]], None]
"""Notes a step of a call, by its id at Vapi, as of now. Returns at once and never fails."""


def ignore_step(_vapi_call_id: str, _kind: StepKind, _detail: Mapping[str, object]) -> None:
    """Steps that nobody notes."""


@dataclass(frozen=True, slots=True)
class CallStep:
    """One thing that happened in a call. What is in `detail` depends on the kind."""

    at: datetime
    kind: str
    detail: Mapping[str, Any]
