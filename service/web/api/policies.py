"""The API's operations on policies: the chain, what is chosen about it, and reports on shadows."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from pydantic import BaseModel

from service.access.policies.info import PolicyInfo
from service.admin.errors import PolicyNotFoundError
from service.admin.policies.policies import PolicyCases, general_version
from service.domain.policies.choices import GeneralChoice
from service.web.api.operations import ApiRequest, Operation
from service.web.shapes import policies as shapes
from service.web.shapes.paging import (
    PageQuery,
    place_in_log,
    place_in_time,
    read_cursor,
    write_cursor,
)
from service.web.shapes.policies import PoliciesPage, own_policy_shape


@dataclass(frozen=True, slots=True)
class PolicyOperations:
    """`describe` lists the chain; `read_problems` plugins that could not be loaded into it."""

    cases: PolicyCases
    describe: Callable[[], Sequence[PolicyInfo]]
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

    async def get_policy(self, request: ApiRequest) -> BaseModel:
        """A policy as it is in force for all organizations, with its health in this replica."""
        return self.shape(request.policy, await self.cases.get(request.policy))

    async def put_policy(self, request: ApiRequest) -> BaseModel:
        """Choose how a policy is asked for all organizations that have no choice of their own.

        `enforce`: its verdict counts. `shadow`: it is asked and recorded, and its verdict does not
        count; with `share`, for that part of the organizations, and not at all for the others. `off`:
        it is not asked. Absent fields stay as they are; `null` is the policy's own. Every replica
        follows within a second.
        """
        body: shapes.PolicyBody = request.body
        chosen = await self.cases.change(request.actor, request.policy, body.changes)
        return self.shape(request.policy, chosen)

    def shape(self, name: str, chosen: GeneralChoice) -> BaseModel:
        """A policy with the choice as it was read or written, which memory may not have yet."""
        found = next((one for one in self.describe() if one.name == name), None)
        if found is None:
            raise PolicyNotFoundError
        shape = shapes.Policy.model_validate(found)
        given = {field: value for field, value in asdict(chosen).items() if value is not None}
        values = {**given, "share": chosen.share}
        return shape.model_copy(update=values).in_version(general_version(name, chosen))

    async def get_organization_policy(self, request: ApiRequest) -> BaseModel:
        """An organization's choice about a policy, and what is in force for it. Secrets are masked."""
        return own_policy_shape(
            await self.cases.get_own(request.ids["organization_id"], request.policy)
        )

    async def put_organization_policy(self, request: ApiRequest) -> BaseModel:
        """Choose how a policy is asked for one organization, and its settings.

        The policy's own model checks the settings, over the values of the environment. Absent fields
        stay as they are; `null` is as for all organizations. A masked secret keeps its value.
        """
        body: shapes.OwnPolicyBody = request.body
        return own_policy_shape(
            await self.cases.change_own(
                request.actor, request.ids["organization_id"], request.policy, body.changes
            )
        )

    async def delete_organization_policy(self, request: ApiRequest) -> None:
        """Remove an organization's choice and settings: the policy is asked as for all again."""
        await self.cases.delete_own(request.actor, request.ids["organization_id"], request.policy)

    async def report_shadow(self, request: ApiRequest) -> BaseModel:
        """What a policy in shadow would have done, with the calls that it would have decided
        differently, the latest first. Each call is judged as if this one policy had been enforced."""
        query: shapes.ShadowQuery = request.query
        after = read_cursor(query.cursor, place_in_time, str)
        name, period = request.policy, (query.since, query.until)
        report = await self.cases.report(name, *period)
        found = await self.cases.list_differing(
            name,
            *period,
            after=None if after is None else (after[0], after[1]),
            limit=query.limit + 1,
        )
        items = found[: query.limit]
        more = len(found) > query.limit
        return shapes.ShadowReport(
            asked=report.asked,
            would_have_blocked=report.would_have_blocked,
            would_have_allowed=report.would_have_allowed,
            organizations=report.organizations,
            items=[shapes.ShadowedCall.model_validate(one) for one in items],
            next_cursor=write_cursor(items[-1].at.isoformat(), items[-1].vapi_call_id)
            if more
            else None,
        )

    def operations(self) -> list[Operation]:
        one, own = "/policies/{name}", "/organizations/{organization_id}/policies/{name}"
        return [
            Operation(
                "GET",
                "/policies",
                "List the policy chain in order",
                self.list_policies,
                PoliciesPage,
                query=PageQuery,
            ),
            Operation("GET", one, "Get a policy of the chain", self.get_policy, shapes.Policy),
            Operation(
                "PUT",
                one,
                "Choose how a policy is asked for all organizations",
                self.put_policy,
                shapes.Policy,
                body=shapes.PolicyBody,
            ),
            Operation(
                "GET",
                f"{one}/shadow",
                "Report what a policy in shadow would have done",
                self.report_shadow,
                shapes.ShadowReport,
                query=shapes.ShadowQuery,
            ),
            Operation(
                "GET",
                own,
                "Read an organization's choice about a policy",
                self.get_organization_policy,
                shapes.OwnPolicy,
            ),
            Operation(
                "PUT",
                own,
                "Choose how a policy is asked for one organization",
                self.put_organization_policy,
                shapes.OwnPolicy,
                body=shapes.OwnPolicyBody,
            ),
            Operation(
                "DELETE",
                own,
                "Remove an organization's choice about a policy",
                self.delete_organization_policy,
                None,
                status=204,
            ),
        ]
