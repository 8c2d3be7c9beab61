"""The policies as operators see them. No I/O."""

from dataclasses import dataclass

from service.access.policies.health import PolicyHealth
from service.access.policies.line_up import AS_DECLARED, Arrangement
from service.domain.policies.choices import PolicyMode


@dataclass(frozen=True, slots=True)
class PolicyInfo:
    """One policy as operators see it."""

    name: str
    order: int
    plugin: str
    version: str
    veto: bool
    on_failure: str
    timeout_seconds: float
    health: PolicyHealth
    mode: PolicyMode = "enforce"
    share: float | None = None


def describe_policies(arranged: Arrangement) -> list[PolicyInfo]:
    """The policies in the order of evaluation, as the choices for all organizations arrange them."""
    return [
        PolicyInfo(
            policy.name,
            policy.order,
            policy.plugin,
            policy.version,
            policy.veto,
            policy.on_failure,
            policy.timeout_seconds,
            evaluator.health,
            general.mode,
            general.share,
        )
        for evaluator, policy in ((one, one.policy) for one in arranged.evaluators)
        for general in (arranged.modes.get(policy.name, AS_DECLARED),)
    ]
