"""The subscription plan: it grants access to the end of the paid period."""

from policies.contract import AccessPolicy, AccessRequest, Verdict, abstain, allow
from policies.hookspecs import hookimpl


class PlanPolicy:
    """Grants by the plan's status and periods. It never denies: a trial may still grant."""

    name = "plan"
    order = 100
    pure = True

    def evaluate(self, request: AccessRequest) -> Verdict:
        """Evaluate the plan at `request.at`.

        active: until the period's end (open-ended without one), then through the grace period.
        canceled: until the period's end, which is paid for. past_due: through the grace period.
        paused: never.
        """
        plan = request.plan
        if plan is None:
            return abstain()
        paid_until, grace_until, at = plan.current_period_end, plan.grace_period_end, request.at
        in_grace = grace_until is not None and at < grace_until
        match plan.status:
            case "active":
                if paid_until is None or at < paid_until:
                    return allow("plan_active")
                return allow("plan_in_grace") if in_grace else abstain("plan_ended")
            case "canceled":
                paid = paid_until is not None and at < paid_until
                return allow("plan_paid_until") if paid else abstain("plan_ended")
            case "past_due":
                return allow("plan_in_grace") if in_grace else abstain("plan_past_due")
            case "paused":
                return abstain("plan_paused")


@hookimpl
def register_access_policies() -> list[AccessPolicy]:
    """Enter the chain like any other plugin."""
    return [PlanPolicy()]
