"""When an organization's access may change by itself. Pure."""

from datetime import datetime

from service.domain.organizations import Organization


def next_change_at(organization: Organization, now: datetime) -> datetime | None:
    """The first instant after `now` at which an entitlement begins or ends; None: there is none.

    Between the two nothing that the built-in policies look at changes. Policies of plugins may
    know times of their own, which nobody can tell beforehand: the sweep finds what they change.
    """
    plan, trial, override = organization.plan, organization.trial, organization.override
    instants: list[datetime | None] = []
    if plan is not None:
        instants += [plan.current_period_end, plan.grace_period_end]
    if trial is not None:
        instants += [trial.starts_at, trial.ends_at]
    if override is not None:
        instants += [override.starts_at, override.expires_at]
    return min(
        (instant for instant in instants if instant is not None and instant > now), default=None
    )
