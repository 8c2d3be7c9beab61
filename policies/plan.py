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

        active, trialing: until the period's end (open-ended without one), then through the grace.
        canceled: until the period's end, which is paid for. past_due: through the grace period.
        unpaid, paused, incomplete, incomplete_expired: never.
        """
        plan = request.plan
        if plan is None:
            return abstain()
        paid_until, at = plan.current_period_end, request.at
        grace_until = plan.grace_ends_at(request.renewal_grace)
        in_grace = grace_until is not None and at < grace_until
        match plan.status:
            case "active" | "trialing":
                if paid_until is None or at < paid_until:
                    return allow("plan_active")
                return allow("plan_in_grace") if in_grace else abstain("plan_ended")
            case "canceled":
                paid = paid_until is not None and at < paid_until
                return allow("plan_paid_until") if paid else abstain("plan_ended")
            case "past_due":
                return allow("plan_in_grace") if in_grace else abstain("plan_past_due")
            case "unpaid":
                return abstain("plan_unpaid")
            case "paused":
                return abstain("plan_paused")
            case "incomplete" | "incomplete_expired":
                return abstain("plan_incomplete")


@hookimpl
def register_access_policies() -> list[AccessPolicy]:
    """Enter the chain like any other plugin."""
    return [PlanPolicy()]
