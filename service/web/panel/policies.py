"""The policy chain in the panel: in order, with the health of each policy in this replica."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from service.access.policies.chain import PolicyInfo
from service.access.policies.plugins import PluginProblem
from service.web.panel.kit.badges import Badge
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import Visit

COUNTS_AS: Mapping[str, str] = {"abstain": "no opinion", "allow": "allowed", "deny": "blocked"}


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A policy as the page prints it. Durations are texts in milliseconds."""

    policy: PolicyInfo
    badge: Badge
    counts_as: str
    p50: str
    p95: str


def row_of(policy: PolicyInfo) -> PolicyRow:
    health = policy.health
    if health.suspended:
        badge = Badge("Suspended", "bad")
    elif health.failed:
        badge = Badge("Has failed", "wait")
    else:
        badge = Badge("OK", "good")
    counts_as = COUNTS_AS[policy.on_failure]
    return PolicyRow(policy, badge, counts_as, millis(health.p50_ms), millis(health.p95_ms))


def millis(value: float | None) -> str:
    return "—" if value is None else f"{value:.2f} ms"


@dataclass(frozen=True, slots=True)
class PolicyPages:
    """`describe` lists the chain; `problems` are plugins that could not be loaded into it."""

    describe: Callable[[], Sequence[PolicyInfo]]
    problems: Sequence[PluginProblem]

    def pages(self) -> list[PanelPage]:
        return [PanelPage("GET", "/policies", self.list_page)]

    async def list_page(self, visit: Visit) -> web.Response:
        rows = [row_of(policy) for policy in self.describe()]
        return await visit.show("policies/list.html", rows=rows, problems=self.problems)
