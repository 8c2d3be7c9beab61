"""The public surface for policy authors: everything a policy plugin needs, re-exported.

The built-in policies live beside it and use the same entry-point group as third-party plugins.
Nothing here may import `service`.
"""

from policies.contract import (
    API_VERSION,
    AccessPolicy,
    AccessRequest,
    AppliesTo,
    CallFacts,
    Direction,
    Effect,
    OnFailure,
    OrganizationFacts,
    PhoneNumberFacts,
    PolicyContext,
    Purpose,
    UsageFacts,
    Verdict,
    abstain,
    allow,
    deny,
)
from policies.entitlements import Override, PlanLimits, SubscriptionPlan, Trial
from policies.events import CallDecision, CallEvent, CallEventKind
from policies.functions import FunctionPolicy, policy
from policies.hookspecs import GROUP, hookimpl, hookspec
from policies.limits import CallLimit, limit

__all__ = [
    "API_VERSION",
    "GROUP",
    "AccessPolicy",
    "AccessRequest",
    "AppliesTo",
    "CallDecision",
    "CallEvent",
    "CallEventKind",
    "CallFacts",
    "CallLimit",
    "Direction",
    "Effect",
    "FunctionPolicy",
    "OnFailure",
    "OrganizationFacts",
    "Override",
    "PhoneNumberFacts",
    "PlanLimits",
    "PolicyContext",
    "Purpose",
    "SubscriptionPlan",
    "Trial",
    "UsageFacts",
    "Verdict",
    "abstain",
    "allow",
    "deny",
    "hookimpl",
    "hookspec",
    "limit",
    "policy",
]
