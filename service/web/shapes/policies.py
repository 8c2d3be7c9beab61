"""The shapes of policies: the chain, what is chosen for all organizations and for one, and reports."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, Field

from policies.contract import OnFailure
from service.admin.policies.policies import OwnPolicy as OwnPolicyCase
from service.domain.policies.choices import PolicyMode
from service.domain.policies.shadow import Decided
from service.store.vault import mask_sealed
from service.web.shapes.bodies import PatchBody, ResponseBody
from service.web.shapes.fields import Attributes, Instant, number, whole
from service.web.shapes.paging import ListPage, PageQuery


class PolicyHealth(ResponseBody):
    asked: int
    allowed: int
    denied: int
    abstained: int
    failed: int
    late: int
    suspended: bool
    last_failure: str | None
    last_failed_at: Instant | None
    p50_ms: float | None
    p95_ms: float | None
    stuck: int
    slow: bool
    waited_p95_ms: float | None


class Policy(ResponseBody):
    """A policy as it is in force for organizations without a choice of their own."""

    has_tag = True

    name: str
    order: int
    plugin: str
    version: str
    mode: PolicyMode
    share: float | None
    veto: bool
    on_failure: OnFailure
    timeout_seconds: float
    health: PolicyHealth


class PluginProblem(ResponseBody):
    plugin: str
    version: str
    message: str


class PoliciesPage(ListPage[Policy]):
    """The policy chain, and the plugins that could not be loaded."""

    problems: list[PluginProblem]


class PolicyBody(PatchBody):
    """How a policy is asked for all organizations. What is absent stays; null is the policy's own."""

    mode: PolicyMode | None = None
    share: Annotated[float, Field(gt=0, lt=1), BeforeValidator(number)] | None = None
    order: Annotated[int, Field(ge=-(10**6), le=10**6), BeforeValidator(whole)] | None = None
    on_failure: OnFailure | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=2), BeforeValidator(number)] | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that were sent."""
        values = self.model_dump(include=self.model_fields_set)
        return {**values, "mode": values["mode"] or "enforce"} if "mode" in values else values


class OwnPolicyBody(PatchBody):
    """How a policy is asked for one organization. What is absent stays; null is as for all."""

    mode: PolicyMode | None = None
    settings: Attributes | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that were sent."""
        return self.model_dump(include=self.model_fields_set)


class InForce(ResponseBody):
    """What is in force for the organization. A policy that is not `awake` lacks settings."""

    mode: PolicyMode
    awake: bool


class OwnPolicy(ResponseBody):
    """An organization's choice about a policy; `problem` is why its settings cannot be used."""

    has_tag = True

    organization_id: UUID
    name: str
    mode: PolicyMode | None
    settings: dict[str, Any] | None
    in_force: InForce
    problem: str | None


class ShadowQuery(PageQuery):
    """A period; without one, all that is kept."""

    since: Instant | None = None
    until: Instant | None = None


class ShadowedCall(ResponseBody):
    """A call that would have been decided differently; `decided` is what was."""

    vapi_call_id: str
    organization_id: UUID
    reason: str | None
    decided: Decided


class ShadowReport(ResponseBody):
    """What a policy in shadow would have done. `organizations` would have had calls blocked."""

    asked: int
    would_have_blocked: int
    would_have_allowed: int
    organizations: int
    items: list[ShadowedCall]
    next_cursor: str | None


def own_policy_shape(found: OwnPolicyCase) -> OwnPolicy:
    """A policy of an organization, its secrets masked."""
    shape = OwnPolicy(
        organization_id=found.organization_id,
        name=found.name,
        mode=found.choice.mode,
        settings=mask_sealed(found.choice.settings),
        in_force=InForce(mode=found.mode, awake=found.awake),
        problem=found.problem,
    )
    return shape.in_version(found.version)
