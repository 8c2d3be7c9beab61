"""A subscription plan as sentences: what it gives, and what happens when its period ends. Pure."""

from datetime import datetime, timedelta

from policies.entitlements import SubscriptionPlan
from service.domain.wording.dates import format_day
from service.domain.wording.labels import spaced


def describe_plan(
    plan: SubscriptionPlan | None, reason: str | None, at: datetime, renewal_grace: timedelta
) -> str:
    """The plan policy's reason with the facts behind it, at `at`."""
    if plan is None:
        return "There is no plan."
    name, paid = f"The plan {plan.code}", plan.current_period_end
    match reason:
        case "plan_active":
            state = "trialing" if plan.status == "trialing" else "active"
            return f"{name} is {state}" + (f", paid until {format_day(paid, at)}." if paid else ".")
        case "plan_paid_until" if paid:
            return f"{name} was canceled and is paid until {format_day(paid, at)}."
        case "plan_in_grace":
            return describe_grace(plan, at, renewal_grace)
        case "plan_past_due":
            grace = plan.grace_period_end
            end = f", and its grace period ended on {format_day(grace, at)}" if grace else ""
            return f"{name} is past due{end}."
        case "plan_ended":
            return describe_end(plan, at, renewal_grace)
    return f"{name} is {spaced(plan.status)}."


def describe_grace(plan: SubscriptionPlan, at: datetime, renewal_grace: timedelta) -> str:
    """A plan whose grace runs at `at`."""
    paid, grace = plan.current_period_end, plan.grace_ends_at(renewal_grace)
    over = paid is not None and paid <= at and plan.status != "past_due"
    if over and plan.renews and paid:
        state = f"was due to renew on {format_day(paid, at)}"
    else:
        state = f"ended on {format_day(paid, at)}" if over and paid else "is past due"
    end = f"; its grace period runs until {format_day(grace, at)}" if grace else ""
    return f"The plan {plan.code} {state}{end}."


def describe_end(plan: SubscriptionPlan, at: datetime, renewal_grace: timedelta) -> str:
    """A plan that is over at `at`."""
    paid, grace = plan.current_period_end, plan.grace_ends_at(renewal_grace)
    canceled = plan.status == "canceled"
    state = "was canceled" if canceled else "is over"
    if paid is not None:
        state = f"{'was canceled and ended' if canceled else 'ended'} on {format_day(paid, at)}"
    late = grace is not None and not canceled and paid is not None and grace > paid
    end = f", its grace period on {format_day(grace, at)}" if late and grace else ""
    return f"The plan {plan.code} {state}{end}."


def describe_period_end(plan: SubscriptionPlan, at: datetime, renewal_grace: timedelta) -> str:
    """What the plan alone does to calls, at `at` and at the end of its period, for the form."""
    paid, grace = plan.current_period_end, plan.grace_ends_at(renewal_grace)
    match plan.status:
        case "active" | "trialing":
            if paid is None:
                return "The plan has no end: it allows calls until its status changes."
            return describe_granting(plan, paid, grace, at)
        case "canceled":
            if paid is None:
                return "The plan is canceled and has no paid period: it allows no calls."
            if paid <= at:
                return f"The plan was canceled and ended on {format_day(paid, at)}: it allows no calls."
            return f"The plan is canceled: it allows calls until {format_day(paid, at)}."
        case "past_due":
            if grace is None:
                return "The plan is past due and has no grace period: it allows no calls."
            if grace <= at:
                end = f"its grace period ended on {format_day(grace, at)}"
                return f"The plan is past due and {end}: it allows no calls."
            return f"The plan is past due: it allows calls until {format_day(grace, at)}."
    return f"The plan is {spaced(plan.status)}: it allows no calls."


def describe_granting(
    plan: SubscriptionPlan, paid: datetime, grace: datetime | None, at: datetime
) -> str:
    """The same of an active or trialing plan with an end."""
    cancels = plan.cancel_at_period_end
    now, over = ("ends", "ended") if cancels else ("renews", "was due to renew")
    first = f"The plan {over if paid <= at else now} on {format_day(paid, at)}"
    if grace is None or grace <= paid:
        return (
            f"{first}: it allows no calls."
            if paid <= at
            else f"{first}. From then on calls are blocked."
        )
    if grace <= at:
        return (
            f"{first}, and its grace period ended on {format_day(grace, at)}: it allows no calls."
        )
    until = f"calls are allowed until {format_day(grace, at)}, then blocked."
    if cancels:
        return f"{first}. {until[0].upper()}{until[1:]}"
    return f"{first}. Unless a renewal is reported before, {until}"
