"""Chains with policies that no plugin brings."""

from policies.host.registration import fit_policy
from service.access.policies.chain import AccessChain
from service.access.policies.evaluation import Evaluator
from service.access.policies.line_up import Arrangement


def put_policy(chain: AccessChain, policy: object) -> None:
    """Add a policy to a chain that has been built."""
    added = Evaluator(fit_policy(policy, "tests", "1"))
    chain.arranged = Arrangement([*chain.evaluators, added], chain.choices.value)
    chain.unseal_by(chain.unseal)
