"""What gives an organization access, as stored: plan, trial, and an admin's override. No I/O here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

PlanStatus = Literal[
    "active",
    "trialing",
    "past_due",
    "unpaid",
    "canceled",
    "paused",
    "incomplete",
    "incomplete_expired",
]
"""Stripe's words for the state of a subscription."""


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """What a plan includes in one period; None is unlimited. `cost` is in the currency of Vapi."""

    minutes: float | None = None
    concurrent_calls: int | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionPlan:
    """The plan that an organization pays for. Instants are aware; an end is exclusive.

    `code` is the seller's name of the plan and means nothing to the built-in policies. `as_of` is
    when the billing system made this state.
    """

    code: str
    status: PlanStatus
    current_period_end: datetime | None = None
    grace_period_end: datetime | None = None
    cancel_at_period_end: bool = False
    limits: PlanLimits | None = None
    as_of: datetime | None = None

    @property
    def renews(self) -> bool:
        """Whether the seller expects another period after this one."""
        return self.status in ("active", "trialing") and not self.cancel_at_period_end

    def grace_ends_at(self, renewal_grace: timedelta) -> datetime | None:
        """When the grace ends; None: there is none.

        A given `grace_period_end` wins. Without one, a plan that renews goes on for `renewal_grace`
        after its period, since billing systems report a renewal late.
        """
        paid_until = self.current_period_end
        if self.grace_period_end is not None or paid_until is None or not self.renews:
            return self.grace_period_end
        return paid_until + renewal_grace


@dataclass(frozen=True, slots=True)
class Trial:
    """A period in which an organization may call without a plan: `starts_at` until `ends_at`."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Override:
    """An admin's exception, with its author and reason; in force from `starts_at` to `expires_at`.

    An absent instant leaves that side open.
    """

    effect: Literal["allow", "deny"]
    reason: str
    author: str
    starts_at: datetime | None = None
    expires_at: datetime | None = None
