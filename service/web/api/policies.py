"""The API's operations on the policy chain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from service.web.api.operations import ApiRequest, Operation
from service.web.shapes import policies as shapes
from service.web.shapes.paging import PageQuery, place_in_log, read_cursor, write_cursor
from service.web.shapes.policies import PoliciesPage


@dataclass(frozen=True, slots=True)
class PolicyOperations:
    """`describe` lists the chain; `read_problems` plugins that could not be loaded into it."""

    describe: Callable[[], Sequence[object]]
    read_problems: Callable[[], Sequence[object]]

    async def list_policies(self, request: ApiRequest) -> BaseModel:
        """The policies in the order in which they are asked, with their health in this replica."""
        query: PageQuery = request.query
        after = read_cursor(query.cursor, place_in_log)
        start = after[0] if after else 0
        found = [shapes.Policy.model_validate(policy) for policy in self.describe()]
        end = start + query.limit
        return PoliciesPage(
            items=found[start:end],
            next_cursor=write_cursor(end) if end < len(found) else None,
            problems=[shapes.PluginProblem.model_validate(one) for one in self.read_problems()],
        )

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/policies",
                "List the policy chain in order",
                self.list_policies,
                PoliciesPage,
                query=PageQuery,
            ),
        ]
