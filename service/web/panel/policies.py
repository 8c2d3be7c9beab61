"""The chain in the panel: in order, with how each policy does in this replica."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from service.access.policies.chain import PolicyInfo
from service.access.policies.plugins import PluginProblem
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.visit import Visit


@dataclass(frozen=True, slots=True)
class PolicyPages:
    """`describe` lists the chain; `problems` is what could not be loaded into it."""

    describe: Callable[[], Sequence[PolicyInfo]]
    problems: Sequence[PluginProblem]

    def pages(self) -> list[PanelPage]:
        return [PanelPage("GET", "/policies", self.list_page)]

    async def list_page(self, visit: Visit) -> web.Response:
        return await visit.show(
            "policies/list.html", policies=self.describe(), problems=self.problems
        )
