"""Concurrency: how many calls of an organization may be under way at once, with a share for inbound.

The host counts, so that no two replicas let the same last call in; a call holds its place until its end
is proved.
"""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from policies.contract import AccessPolicy, AccessRequest, Verdict, abstain, deny
from policies.fields import Diversion, Spoken
from policies.hookspecs import hookimpl
from policies.limits import limit

REASONS = (TOO_MANY,) = ("too_many_calls",)

NAME = "concurrency"
"""What the places are counted under."""

Count = Annotated[int, Field(ge=0, le=100_000)]


class ConcurrencySettings(BaseModel):
    """The most calls at once: given here, or by the plan."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    calls: Count | None = Field(None, description="Calls that may be under way at once.")
    plan_limits: bool = Field(
        default=False, description="Without `calls`, take the plan's `concurrent_calls`."
    )
    kept_for_inbound: Count = Field(
        0, description="How many of the places only inbound calls may take."
    )
    message: Spoken | None = Field(None, description="What a denied caller hears.")
    divert_to: Diversion | None = Field(
        None, description="Where denied calls go instead: a number, or an answer as Vapi takes it."
    )

    @model_validator(mode="after")
    def limits_something(self) -> Self:
        """Raise `ValueError` for settings without a limit, or that keep more than there is."""
        if self.calls is None and not self.plan_limits:
            raise ValueError("give calls or plan_limits")
        if self.calls is not None and self.kept_for_inbound > self.calls:
            raise ValueError("kept_for_inbound is larger than calls")
        return self


class ConcurrencyPolicy:
    """States the limit, and leaves the decision to the others: it never grants."""

    name = "concurrency"
    order = 70
    pure = True
    settings = ConcurrencySettings

    def evaluate(self, request: AccessRequest) -> Verdict:
        """The limit for this call. A campaign that asks before it dials has no call yet that could hold
        a place: it is denied while none is free.

        A call is not denied by `usage`: a second old, it may still count a call that has ended, and it
        counts calls that hold no place, as an earlier policy granted them. It only becomes a note.
        """
        settings: ConcurrencySettings = request.settings
        capacity = capacity_for(request, settings)
        if capacity is None:
            return abstain(note="the plan has no limit")
        usage = request.usage
        note = None
        if usage is not None and usage.live_calls >= capacity:
            note = f"{usage.live_calls} of {capacity} calls"
            if request.purpose == "predial":
                return deny(TOO_MANY, note=note)
        return abstain(
            note=note,
            limits=[limit(NAME, capacity, reason=TOO_MANY)],
            message=settings.message,
            divert_to=settings.divert_to,
        )


def capacity_for(request: AccessRequest, settings: ConcurrencySettings) -> int | None:
    """How many calls may be under way beside this one and with it; None: any number."""
    calls = settings.calls
    if calls is None:
        plan = request.plan
        calls = plan.limits.concurrent_calls if plan and plan.limits else None
    direction = request.call.direction if request.call else None
    outgoing = direction in ("outbound", "web") or request.purpose == "predial"
    if calls is None or not outgoing:
        return calls
    return max(calls - settings.kept_for_inbound, 0)


@hookimpl
def register_access_policies() -> list[AccessPolicy]:
    """Enter the chain like any other plugin."""
    return [ConcurrencyPolicy()]
