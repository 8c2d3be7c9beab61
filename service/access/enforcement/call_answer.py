"""Vapi's answer about a call, and the end that it proves."""

from dataclasses import dataclass
from datetime import datetime

from service.domain.calls import CallEnd
from service.store.calls.hangups import HangupTarget
from service.vapi.calls.view import CallView

YOUNG_SECONDS = 60.0
"""A call younger than this may not have appeared at Vapi's API yet (Vapi's documentation)."""


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """Vapi's answer to `GET /call/{id}`. `missing`: Vapi has no such call (404); neither: no answer."""

    view: CallView | None = None
    missing: bool = False

    @property
    def control_url(self) -> str | None:
        return self.view.control_url if self.view else None


def end_shown(vapi_call_id: str, view: CallView, now: datetime) -> CallEnd:
    """The end of a call that is over, with the figures of Vapi's record."""
    return CallEnd(
        vapi_call_id,
        view.ended_at or now,
        view.ended_reason,
        view.duration_seconds,
        view.cost,
        proof="vapi",
        cost_parts=view.cost_parts,
        details=view.details,
    )


def proved_end(
    vapi_call_id: str, target: HangupTarget, answer: CallAnswer, now: datetime
) -> CallEnd | None:
    """The end that Vapi's answer proves; None if the call may go on.

    A call that Vapi does not know may not have appeared yet: that counts once it is a minute old, and
    a command was accepted or Vapi's list of calls was read since.
    """
    view = answer.view
    if view is not None and view.is_over:
        return end_shown(vapi_call_id, view, now)
    stopped, old = target.hangup_state is not None, target.age >= YOUNG_SECONDS
    if answer.missing and stopped and old and (target.hangup_accepted or target.listed):
        return CallEnd(vapi_call_id, now, "not-found", proof="missing")
    return None
