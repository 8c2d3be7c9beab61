"""The API's operations on access: explained now, at another time, with other facts; its history."""

from dataclasses import dataclass

from pydantic import BaseModel

from service.admin.organizations.access import OrganizationAccess
from service.admin.organizations.organizations import Organizations
from service.admin.organizations.what_if import WhatIf
from service.web.api.operations import ApiRequest, Operation
from service.web.shapes.decisions import AccessExplained, explained_shape
from service.web.shapes.history import History, HistoryQuery
from service.web.shapes.what_if import AccessQuery, WhatIfBody


@dataclass(frozen=True, slots=True)
class AccessOperations:
    """Read requests, call the use cases, shape responses. They change and record nothing."""

    organizations: Organizations
    access: OrganizationAccess

    async def explain_access(self, request: ApiRequest) -> BaseModel:
        """The decision on a call now, or at another time, with what each policy answered.

        A past time is decided with the facts of that time. It has no side effects.
        """
        query: AccessQuery = request.query
        what_if = WhatIf(query.at, query.phone_number_id)
        return explained_shape(await self.access.decide(request.ids["organization_id"], what_if))

    async def decide_what_if(self, request: ApiRequest) -> BaseModel:
        """The decision on a call if facts were different, with what each policy answered.

        Absent facts are the present ones, or those of `at` if that is past; `null` is none. Nothing
        is changed or recorded.
        """
        body: WhatIfBody = request.body
        what_if = body.asked_by(request.actor.name)
        return explained_shape(await self.access.decide(request.ids["organization_id"], what_if))

    async def get_history(self, request: ApiRequest) -> BaseModel:
        """Plan, trial and override as they were at an instant; now without one."""
        query: HistoryQuery = request.query
        now = await self.organizations.get(request.ids["organization_id"])
        then = await self.organizations.at_time(now, query.at)
        at = query.at or await self.organizations.now()
        return History.model_validate(
            {
                "organization_id": now.id,
                "at": at,
                "plan": then.plan,
                "trial": then.trial,
                "override": then.override,
                "unknown": sorted(await self.organizations.find_unknown(now.id, at)),
            }
        )

    def operations(self) -> list[Operation]:
        one = "/organizations/{organization_id}"
        return [
            Operation(
                "GET",
                f"{one}/history",
                "Read plan, trial and override as they were at an instant",
                self.get_history,
                History,
                query=HistoryQuery,
            ),
            Operation(
                "GET",
                f"{one}/access",
                "Explain an organization's access",
                self.explain_access,
                AccessExplained,
                query=AccessQuery,
            ),
            Operation(
                "POST",
                f"{one}/access",
                "Decide with supposed facts",
                self.decide_what_if,
                AccessExplained,
                body=WhatIfBody,
                body_optional=True,
            ),
        ]
