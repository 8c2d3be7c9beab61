"""The quota: how many minutes, calls or how much cost an organization may use in a period.

It never grants: below its limits it abstains, says how long the call may last, and warns in time.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, model_validator

from policies.contract import AccessPolicy, AccessRequest, UsageFacts, Verdict, abstain, deny
from policies.fields import Diversion, Spoken
from policies.hookspecs import hookimpl

REASONS = MINUTES, CALLS, COST = "quota_minutes", "quota_calls", "quota_cost"

LONGEST_CALL_SECONDS = 43_200
"""Vapi ends every call then: more needs no limit."""

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class QuotaSettings(BaseModel):
    """The limits; at least one. The period is the plan's month, else the calendar month."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minutes: Amount | None = Field(None, description="Minutes of calls in a period.")
    calls: Count | None = Field(None, description="Granted calls in a period.")
    calls_per_day: Count | None = Field(
        None, description="Granted calls a day, by the organization's time zone."
    )
    cost: Amount | None = Field(None, description="Cost in a period, in the currency of Vapi.")
    plan_limits: bool = Field(
        default=False, description="Take minutes and cost that are not given here from the plan."
    )
    warn_at: float = Field(
        0.8, gt=0, le=1, description="The used share of a limit from which on operators are warned."
    )
    hard: bool = Field(
        default=True, description="Deny calls once a limit is used up; else only warn."
    )
    message: Spoken | None = Field(None, description="What a denied caller hears.")
    divert_to: Diversion | None = Field(
        None, description="Where denied calls go instead: a number, or an answer as Vapi takes it."
    )

    @model_validator(mode="after")
    def limits_something(self) -> Self:
        """Raise `ValueError` for settings without a limit."""
        given = (self.minutes, self.calls, self.calls_per_day, self.cost)
        if not self.plan_limits and all(one is None for one in given):
            raise ValueError("give minutes, calls, calls_per_day, cost or plan_limits")
        return self


class Use(NamedTuple):
    """How much of one limit is used, and when that begins anew."""

    reason: str
    used: float
    limit: float
    unit: str
    until: datetime

    @property
    def text(self) -> str:
        return f"{self.used:.6g} of {self.limit:.6g} {self.unit}"


class QuotaPolicy:
    """Denies with the first limit that is used up: minutes, calls, calls of the day, cost."""

    name = "quota"
    order = 60
    pure = True
    settings = QuotaSettings

    def evaluate(self, request: AccessRequest) -> Verdict:
        """Compare the usage with the limits. While it is unknown, the policy abstains."""
        settings: QuotaSettings = request.settings
        usage = request.usage
        if usage is None:
            return abstain(note="the usage is unknown")
        uses = list(list_uses(request, settings, usage))
        for one in uses:
            if settings.hard and one.used >= one.limit:
                return deny(
                    one.reason,
                    until=one.until,
                    note=one.text,
                    message=settings.message,
                    divert_to=settings.divert_to,
                )
        high = [one.text for one in uses if one.used >= settings.warn_at * one.limit]
        return abstain(
            note="; ".join(one.text for one in uses) or None,
            warning="; ".join(high) or None,
            max_duration_seconds=seconds_left(uses) if settings.hard else None,
        )


def list_uses(request: AccessRequest, settings: QuotaSettings, usage: UsageFacts) -> Iterator[Use]:
    """How much of each limit is used."""
    plan = request.plan.limits if request.plan and settings.plan_limits else None
    minutes = plan.minutes if plan and settings.minutes is None else settings.minutes
    cost = plan.cost if plan and settings.cost is None else settings.cost
    end = usage.period_end
    if minutes is not None:
        yield Use(MINUTES, usage.seconds / 60, minutes, "minutes", end)
    if settings.calls is not None:
        yield Use(CALLS, usage.calls, settings.calls, "calls", end)
    if settings.calls_per_day is not None:
        midnight = next_midnight(request.at, request.organization.time_zone)
        yield Use(CALLS, usage.calls_today, settings.calls_per_day, "calls a day", midnight)
    if cost is not None:
        yield Use(COST, usage.cost, cost, "of cost", end)


def next_midnight(at: datetime, time_zone: str | None) -> datetime:
    """When the day of a time zone ends that an instant lies in, in UTC; where midnight is skipped, when
    the next day begins. The days of UTC without a zone, or where this machine lacks it."""
    try:
        zone = ZoneInfo(time_zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone = ZoneInfo("UTC")
    day = at.astimezone(zone).date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def seconds_left(uses: list[Use]) -> float | None:
    """How long a call may last by what is left of the minutes; None: as long as Vapi lets it."""
    left = next(((one.limit - one.used) * 60 for one in uses if one.reason == MINUTES), None)
    return left if left is not None and left < LONGEST_CALL_SECONDS else None


@hookimpl
def register_access_policies() -> list[AccessPolicy]:
    """Enter the chain like any other plugin."""
    return [QuotaPolicy()]
