"""The admin's exception: while in force it grants, or it denies over all other policies."""

from policies.contract import AccessPolicy, AccessRequest, OnFailure, Verdict, abstain, allow, deny
from policies.hookspecs import hookimpl


class AdminOverridePolicy:
    """An override in force decides; `veto` makes its denial win regardless of the order."""

    name = "admin_override"
    order = 0
    pure = True
    veto = True
    on_failure: OnFailure = "deny"

    def evaluate(self, request: AccessRequest) -> Verdict:
        """Evaluate the override at `request.at`; outside its period the policy abstains."""
        override = request.override
        if override is None:
            return abstain()
        if override.starts_at is not None and request.at < override.starts_at:
            return abstain()
        if override.expires_at is not None and request.at >= override.expires_at:
            return abstain()
        return allow("override_allow") if override.effect == "allow" else deny("override_deny")


@hookimpl
def register_access_policies() -> list[AccessPolicy]:
    """Enter the chain like any other plugin."""
    return [AdminOverridePolicy()]
