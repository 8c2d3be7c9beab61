"""One call with the names of its objects and all its steps in order."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from service.admin.calls.relayed import find_relayed
from service.admin.calls.shadows import add_shadows
from service.admin.errors import CallNotFoundError
from service.domain.call_events import CallStep
from service.domain.calls import Call
from service.domain.relay.messages import CallRelay
from service.store.calls import events
from service.store.calls.listing import rows, search
from service.store.calls.listing.rows import CallNames
from service.store.pool import Pool
from service.vapi.hooks import COMMANDED_ENDS, FORWARDED_REQUEST, REFUSED_REQUESTS, RING_REASON

MOST_STEPS = 500
NOTED_LATE = timedelta(seconds=1)
"""How far the instant of a step may stand from that of its cause: it is noted when an answer has
arrived, and two replicas know PostgreSQL's time by readings of their own."""


@dataclass(frozen=True, slots=True)
class Story:
    """A call with its steps. `decided`, `cut` and `ended` come from the call's own row, so they are
    shown even if the other steps were lost or deleted. `relay` None: no message of it is kept for the
    organization's own server.
    """

    call: Call
    names: CallNames
    steps: tuple[CallStep, ...]
    relay: CallRelay | None = None


def own_steps(call: Call) -> list[CallStep]:
    """The steps that the call's row holds."""
    decision = call.decision
    steps = [
        CallStep(
            decision.decided_at,
            "decided",
            {
                "effect": decision.effect.value,
                "reason": decision.reason,
                "determined_by": decision.determined_by,
                "basis": decision.basis,
                "gate": call.gate,
            },
        )
    ]
    if call.cut_at is not None:
        steps.append(CallStep(call.cut_at, "cut", {"reason": call.cut_reason}))
    if call.ended_at is not None:
        detail = {
            "reason": call.ended_reason,
            "duration_seconds": call.duration_seconds,
            "refused": is_our_refusal(call),
            "hung_up": is_our_hangup(call),
            "diverted": call.is_diverted and call.ended_reason == FORWARDED_REQUEST,
            "unanswered": call.is_unanswered,
        }
        steps.append(CallStep(call.ended_at, "ended", detail))
    return steps


def is_our_refusal(call: Call) -> bool:
    """Whether Vapi's reason for the end is our own answer: it calls every refusal an error, and a call
    that our ringing hook refuses one that a hook ended."""
    if not call.blocked or call.is_diverted:
        return False
    if call.gate == "ring":
        return call.ended_reason == RING_REASON
    return call.gate == "request" and call.ended_reason in REFUSED_REQUESTS


def is_our_hangup(call: Call) -> bool:
    """Whether Vapi's reason for the end is our own hang-up command: it says that the assistant ended
    the call."""
    commands = call.hangup.attempts if call.hangup is not None else 0
    return commands > 0 and call.ended_reason in COMMANDED_ENDS


def order_steps(steps: Iterable[CallStep], call: Call) -> list[CallStep]:
    """Steps in the order of what they tell.

    The first message is recorded after its reply, but precedes the decision. Other steps are recorded
    when an answer has arrived, a moment after what it tells: an end that our command brought about
    follows the command, and Vapi's word that the call had not ended yet. What the decision brought about
    follows it, however close; only a call whose owner was corrected had steps before its decision.
    """
    noted = list(steps)
    decided_at = call.decision.decided_at
    corrected = any(step.kind == "owner.corrected" for step in noted)
    before_end = [
        step.at
        for step in noted
        if step.kind == "hangup.sent"
        or (step.kind == "hangup.looked" and step.detail.get("over") is False)
    ]

    def place(step: CallStep) -> tuple[datetime, bool]:
        if step.detail.get("first"):
            return min(step.at, decided_at), False
        if step.kind == "ended" and step.detail.get("hung_up"):
            late = [at for at in before_end if at <= step.at + NOTED_LATE]
            return max([step.at, *late]), True
        if step.kind == "decided":
            return step.at, False
        if not corrected and step.at < decided_at <= step.at + NOTED_LATE:
            return decided_at, True
        return step.at, True

    return sorted(noted, key=place)


class CallStories:
    """Reads calls with their steps; every role may."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def get(self, call_id: UUID) -> Story:
        """A call's story; raises `NotFoundError`."""
        call = await search.find(self.pool, call_id)
        if call is None:
            raise CallNotFoundError
        (call,) = await add_shadows(self.pool, [call])
        names = await rows.find_names(self.pool, [call.id])
        noted = await events.list_steps(self.pool, call.vapi_call_id, MOST_STEPS)
        steps = order_steps([*noted, *own_steps(call)], call)
        relayed = await find_relayed(self.pool, [call])
        names_of = names.get(call.id, CallNames())
        return Story(call, names_of, tuple(steps), relayed.get(call.id))
