"""The API's operations on organizations, their plans, trials and overrides."""

from dataclasses import dataclass

from pydantic import BaseModel

from policies.entitlements import Override
from service.admin.organizations.organizations import Entitlement, Organizations
from service.admin.organizations.search import ListPreview, OrganizationList
from service.domain.network.forward_urls import ForwardUrls
from service.domain.organizations import Organization
from service.web.api.operations import ApiRequest, Operation, Run
from service.web.shapes import organizations as shapes
from service.web.shapes.organizations import (
    OrganizationsQuery,
    organization_shape,
    read_position,
    write_position,
)
from service.web.shapes.paging import ListPage


@dataclass(frozen=True, slots=True)
class OrganizationOperations:
    """Read requests, call the use cases, shape responses."""

    organizations: Organizations
    listed: OrganizationList
    preview: ListPreview
    forward_urls: ForwardUrls

    async def shaped(self, organization: Organization) -> shapes.Organization:
        return organization_shape(organization, await self.preview.decide(organization))

    async def create_organization(self, request: ApiRequest) -> BaseModel:
        """Add a client. Without a plan, a trial or an override its calls are blocked.

        `external_id` is your own key for it, unique; it may stand in paths as `external_id:<value>`.
        """
        values = request.body.model_dump()
        self.check(values)
        return await self.shaped(await self.organizations.create(request.actor, values))

    def check(self, values: dict[str, object]) -> None:
        url = values.get("forward_url")
        if isinstance(url, str):
            self.forward_urls.check(url)

    async def list_organizations(self, request: ApiRequest) -> BaseModel:
        """Organizations with their access now.

        `query` is a part of a name or external id, a whole id, or digits of a phone number.
        """
        query: OrganizationsQuery = request.query
        listing = await self.listed.page(
            query.wanted, after=read_position(query.cursor, query.sort), limit=query.limit
        )
        return ListPage[shapes.Organization](
            items=[organization_shape(*pair) for pair in listing.found],
            next_cursor=write_position(listing.next),
        )

    async def get_organization(self, request: ApiRequest) -> BaseModel:
        """An organization with its plan, trial and override, and its access now."""
        return await self.shaped(await self.organizations.get(request.ids["organization_id"]))

    async def change_organization(self, request: ApiRequest) -> BaseModel:
        """Change the fields that are sent; the others stay."""
        body: shapes.OrganizationPatch = request.body
        values = body.model_dump(include=body.model_fields_set)
        if "handling" in values:
            values["handling"] = body.handling.model_dump(include=body.handling.model_fields_set)
        self.check(values)
        return await self.shaped(
            await self.organizations.change(request.actor, request.ids["organization_id"], values)
        )

    async def delete_organization(self, request: ApiRequest) -> None:
        """Delete an organization; while it has numbers the answer is 409.

        Its calls and its audit entries stay.
        """
        await self.organizations.delete(request.actor, request.ids["organization_id"])

    async def put_plan(self, request: ApiRequest) -> BaseModel:
        """Set the plan that a billing system knows, in Stripe's words.

        A change whose `as_of` is older than the stored one answers 409 `stale_change`.
        """
        body: shapes.PlanBody = request.body
        return await self.shaped(
            await self.organizations.put_plan(
                request.actor, request.ids["organization_id"], body.plan
            )
        )

    async def put_trial(self, request: ApiRequest) -> BaseModel:
        """Set the trial. Without `starts_at` it began when it was first set.

        An `ends_at` in the past is a trial that is over.
        """
        body: shapes.TrialBody = request.body
        return await self.shaped(
            await self.organizations.put_trial(
                request.actor, request.ids["organization_id"], body.starts_at, body.ends_at
            )
        )

    async def put_override(self, request: ApiRequest) -> BaseModel:
        """Allow or deny every call, whatever the plan says; a denial wins over all policies.

        The author is the token's name. The role `support` sets overrides of up to 7 days.
        """
        body: shapes.OverrideBody = request.body
        override = Override(
            body.effect, body.reason, request.actor.name, body.starts_at, body.expires_at
        )
        return await self.shaped(
            await self.organizations.put_override(
                request.actor, request.ids["organization_id"], override
            )
        )

    def deleting(self, kind: Entitlement) -> Run:
        async def delete(request: ApiRequest) -> BaseModel:
            """Remove it; the other entitlements decide from the next call on."""
            return await self.shaped(
                await self.organizations.delete_entitlement(
                    request.actor,
                    request.ids["organization_id"],
                    kind,
                    getattr(request.query, "as_of", None),
                )
            )

        delete.__name__ = f"delete_{kind}"
        return delete

    def entitlement_operations(self) -> list[Operation]:
        """Setting and removing a plan, a trial or an override."""
        one, gives = "/organizations/{organization_id}", shapes.Organization
        bodies: dict[Entitlement, tuple[Run, type[BaseModel]]] = {
            "plan": (self.put_plan, shapes.PlanBody),
            "trial": (self.put_trial, shapes.TrialBody),
            "override": (self.put_override, shapes.OverrideBody),
        }
        return [
            operation
            for kind, (put, body) in bodies.items()
            for operation in (
                Operation(
                    "PUT",
                    f"{one}/{kind}",
                    f"Set the {kind}",
                    put,
                    gives,
                    body=body,
                    problems=(409,) if kind == "plan" else (),
                ),
                Operation(
                    "DELETE",
                    f"{one}/{kind}",
                    f"Remove the {kind}",
                    self.deleting(kind),
                    gives,
                    query=shapes.RemovalQuery if kind == "plan" else None,
                    problems=(409,) if kind == "plan" else (),
                ),
            )
        ]

    def operations(self) -> list[Operation]:
        one, gives = "/organizations/{organization_id}", shapes.Organization
        return [
            Operation(
                "POST",
                "/organizations",
                "Create an organization",
                self.create_organization,
                gives,
                status=201,
                body=shapes.OrganizationBody,
                problems=(409,),
            ),
            Operation(
                "GET",
                "/organizations",
                "List organizations",
                self.list_organizations,
                ListPage[shapes.Organization],
                query=OrganizationsQuery,
            ),
            Operation("GET", one, "Get an organization", self.get_organization, gives),
            Operation(
                "PATCH",
                one,
                "Change an organization",
                self.change_organization,
                gives,
                body=shapes.OrganizationPatch,
                problems=(409,),
            ),
            Operation(
                "DELETE",
                one,
                "Delete an organization that has no numbers",
                self.delete_organization,
                None,
                status=204,
                problems=(409,),
            ),
            *self.entitlement_operations(),
        ]
