"""The trial: a period of access without a plan."""

from policies.contract import AccessPolicy, AccessRequest, Verdict, abstain, allow
from policies.hookspecs import hookimpl


class TrialPolicy:
    """Grants while the trial runs."""

    name = "trial"
    order = 200
    pure = True

    def evaluate(self, request: AccessRequest) -> Verdict:
        """Evaluate the trial at `request.at`; before it begins the policy abstains."""
        trial = request.trial
        if trial is None or request.at < trial.starts_at:
            return abstain()
        return allow("trial_active") if request.at < trial.ends_at else abstain("trial_expired")


@hookimpl
def register_access_policies() -> list[AccessPolicy]:
    """Enter the chain like any other plugin."""
    return [TrialPolicy()]
