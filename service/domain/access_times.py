"""When an organization's access may change by itself. Pure."""

from datetime import datetime, timedelta

from service.domain.organizations import Organization


def next_change_at(
    organization: Organization, now: datetime, renewal_grace: timedelta
) -> datetime | None:
    """The first time after `now` at which an entitlement begins or ends; None: there is none.

    Until then the verdicts of the built-in policies do not change. A plugin's policy may change its
    verdict at times that only it knows; the next sweep finds such a change. `renewal_grace` is how
    long a plan that renews goes on after its period.
    """
    plan, trial, override = organization.plan, organization.trial, organization.override
    instants: list[datetime | None] = []
    if plan is not None:
        instants += [plan.current_period_end, plan.grace_ends_at(renewal_grace)]
    if trial is not None:
        instants += [trial.starts_at, trial.ends_at]
    if override is not None:
        instants += [override.starts_at, override.expires_at]
    return min(
        (instant for instant in instants if instant is not None and instant > now), default=None
    )
