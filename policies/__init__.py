"""The public surface for policy authors: everything a policy plugin needs, re-exported.

The built-in policies live beside it and use the same entry-point group as third-party plugins.
Nothing here may import `service`.
"""

from policies.contract import (
    AccessPolicy,
    AccessRequest,
    CallFacts,
    Effect,
    OnFailure,
    OrganizationFacts,
    Override,
    PhoneNumberFacts,
    PlanLimits,
    SubscriptionPlan,
    Trial,
    Verdict,
    abstain,
    allow,
    deny,
)
from policies.hookspecs import GROUP, hookimpl, hookspec

__all__ = [
    "GROUP",
    "AccessPolicy",
    "AccessRequest",
    "CallFacts",
    "Effect",
    "OnFailure",
    "OrganizationFacts",
    "Override",
    "PhoneNumberFacts",
    "PlanLimits",
    "SubscriptionPlan",
    "Trial",
    "Verdict",
    "abstain",
    "allow",
    "deny",
    "hookimpl",
    "hookspec",
]
