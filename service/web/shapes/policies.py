"""The shapes of the policy chain."""

from typing import Literal

from service.domain.policies.choices import PolicyMode
from service.web.shapes.bodies import ResponseBody
from service.web.shapes.fields import Instant
from service.web.shapes.paging import ListPage


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
    name: str
    order: int
    plugin: str
    version: str
    mode: PolicyMode
    share: float | None
    veto: bool
    on_failure: Literal["abstain", "allow", "deny"]
    timeout_seconds: float
    health: PolicyHealth


class PluginProblem(ResponseBody):
    plugin: str
    version: str
    message: str


class PoliciesPage(ListPage[Policy]):
    """The policy chain, and the plugins that could not be loaded."""

    problems: list[PluginProblem]
