"""The API's operations on organizations and what entitles them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from policies.contract import Override, SubscriptionPlan
from service.admin.organizations.organizations import AccessPreview, Entitlement, Organizations
from service.admin.organizations.search import OrganizationList, OrganizationQuery
from service.domain.decisions import Decision
from service.domain.forward_urls import check_forward_url
from service.domain.organizations import Organization
from service.store.organizations.search import Filters, PlanFilter, Position, Sort, TrialFilter
from service.web.api.operations import (
    ApiRequest,
    ListPage,
    Operation,
    PageQuery,
    QueryParameters,
    Run,
    place_in_time,
    read_cursor,
    write_cursor,
)
from service.web.shapes import shapes
from service.web.shapes.fields import Id, Instant, Searched, Truth


class OrganizationsQuery(PageQuery):
    """`query` is any part of the name or the external id, a whole id or a phone number; `allowed`
    and `reason` ask the chain; `override` means one that is not over, `numbers` any number."""

    query: Searched | None = None
    allowed: Truth | None = None
    reason: Searched | None = None
    trial: TrialFilter | None = None
    override: Truth | None = None
    numbers: Truth | None = None
    plan_status: PlanFilter | None = None
    sort: Sort = "name"

    @property
    def wanted(self) -> OrganizationQuery:
        """The same for the use case."""
        return OrganizationQuery(
            Filters(
                self.query,
                trial=self.trial,
                override=self.override,
                numbers=self.numbers,
                plan_status=self.plan_status,
            ),
            self.allowed,
            self.reason,
            self.sort,
        )


class AccessQuery(QueryParameters):
    """What to ask about: a number of the organization, another instant."""

    phone_number_id: Id | None = None
    at: Instant | None = None


def read_position(cursor: str | None, sort: Sort) -> Position | None:
    """Where a list in this order goes on; an empty value is the end that an organization has not."""
    if sort.endswith("name"):
        found = read_cursor(cursor, str, UUID)
    else:
        found = read_cursor(cursor, lambda text: place_in_time(text) if text else None, UUID)
    return None if found is None else (found[0], found[1])


def write_position(position: Position | None) -> str | None:
    """The cursor for the rest of a list."""
    if position is None:
        return None
    value, organization_id = position
    text = value.isoformat() if isinstance(value, datetime) else value or ""
    return write_cursor(text, organization_id)


def organization_shape(organization: Organization, decision: Decision) -> shapes.Organization:
    """An organization with its access at this moment."""
    access = shapes.Access(
        allowed=decision.allowed, policy=decision.determined_by, reason=decision.reason
    )
    values = {
        name: getattr(organization, name)
        for name in shapes.Organization.model_fields
        if name != "access"
    }
    return shapes.Organization.model_validate(
        {
            **values,
            "assistant_ids": list(organization.assistant_ids),
            "blocked_messages": list(organization.blocked_messages),
            "access": access,
        }
    )


def decision_values(decision: Decision) -> dict[str, object]:
    """A decision's fields as the API names them."""
    return {
        "id": decision.id,
        "effect": decision.effect.value,
        "determined_by": decision.determined_by,
        "reason": decision.reason,
        "basis": decision.basis,
        "trace": [shapes.TraceEntry.model_validate(entry) for entry in decision.trace],
    }


@dataclass(frozen=True, slots=True)
class OrganizationOperations:
    """Reads requests, calls the use cases, shapes answers."""

    organizations: Organizations
    listed: OrganizationList
    preview: AccessPreview
    relay_hosts: tuple[str, ...]

    async def shaped(self, organization: Organization) -> shapes.Organization:
        return organization_shape(organization, await self.preview.decide(organization))

    async def create(self, asked: ApiRequest) -> BaseModel:
        values = asked.body.model_dump()
        self.check(values)
        return await self.shaped(await self.organizations.create(asked.actor, values))

    def check(self, values: dict[str, object]) -> None:
        url = values.get("forward_url")
        if isinstance(url, str):
            check_forward_url(url, self.relay_hosts)

    async def list_page(self, asked: ApiRequest) -> BaseModel:
        query: OrganizationsQuery = asked.query
        listing = await self.listed.page(
            query.wanted, after=read_position(query.cursor, query.sort), limit=query.limit
        )
        return ListPage[shapes.Organization](
            items=[organization_shape(*pair) for pair in listing.found],
            next_cursor=write_position(listing.next),
        )

    async def get(self, asked: ApiRequest) -> BaseModel:
        return await self.shaped(await self.organizations.get(asked.ids["organization_id"]))

    async def patch(self, asked: ApiRequest) -> BaseModel:
        body: shapes.OrganizationPatch = asked.body
        values = body.model_dump(include=body.model_fields_set)
        if "handling" in values:
            values["handling"] = body.handling.model_dump(include=body.handling.model_fields_set)
        self.check(values)
        return await self.shaped(
            await self.organizations.change(asked.actor, asked.ids["organization_id"], values)
        )

    async def delete(self, asked: ApiRequest) -> None:
        await self.organizations.delete(asked.actor, asked.ids["organization_id"])

    async def access(self, asked: ApiRequest) -> BaseModel:
        query: AccessQuery = asked.query
        decision = await self.organizations.access(
            asked.ids["organization_id"], at=query.at, phone_number_id=query.phone_number_id
        )
        return shapes.AccessExplained.model_validate(
            {
                **decision_values(decision),
                "allowed": decision.allowed,
                "policy": decision.determined_by,
                "decided_at": decision.decided_at,
            }
        )

    async def put_plan(self, asked: ApiRequest) -> BaseModel:
        plan = SubscriptionPlan(**asked.body.model_dump())
        return await self.shaped(
            await self.organizations.put_plan(asked.actor, asked.ids["organization_id"], plan)
        )

    async def put_trial(self, asked: ApiRequest) -> BaseModel:
        body: shapes.TrialBody = asked.body
        return await self.shaped(
            await self.organizations.put_trial(
                asked.actor, asked.ids["organization_id"], body.starts_at, body.ends_at
            )
        )

    async def put_override(self, asked: ApiRequest) -> BaseModel:
        body: shapes.OverrideBody = asked.body
        override = Override(
            body.effect, body.reason, asked.actor.name, body.starts_at, body.expires_at
        )
        return await self.shaped(
            await self.organizations.put_override(
                asked.actor, asked.ids["organization_id"], override
            )
        )

    def deleting(self, kind: Entitlement) -> Run:
        async def delete(asked: ApiRequest) -> BaseModel:
            return await self.shaped(
                await self.organizations.delete_entitlement(
                    asked.actor, asked.ids["organization_id"], kind
                )
            )

        return delete

    def operations(self) -> list[Operation]:
        one, gives = "/organizations/{organization_id}", shapes.Organization
        bodies: dict[Entitlement, tuple[Run, type[BaseModel]]] = {
            "plan": (self.put_plan, shapes.PlanBody),
            "trial": (self.put_trial, shapes.TrialBody),
            "override": (self.put_override, shapes.OverrideBody),
        }
        entitlements = [
            operation
            for kind, (put, body) in bodies.items()
            for operation in (
                Operation("PUT", f"{one}/{kind}", f"Set the {kind}", put, gives, body=body),
                Operation(
                    "DELETE", f"{one}/{kind}", f"Remove the {kind}", self.deleting(kind), gives
                ),
            )
        ]
        return [
            Operation(
                "POST",
                "/organizations",
                "Add an organization",
                self.create,
                gives,
                status=201,
                body=shapes.OrganizationBody,
                problems=(409,),
            ),
            Operation(
                "GET",
                "/organizations",
                "List organizations",
                self.list_page,
                ListPage[shapes.Organization],
                query=OrganizationsQuery,
            ),
            Operation("GET", one, "Read an organization", self.get, gives),
            Operation(
                "PATCH",
                one,
                "Change an organization",
                self.patch,
                gives,
                body=shapes.OrganizationPatch,
                problems=(409,),
            ),
            Operation(
                "DELETE",
                one,
                "Remove an organization without numbers",
                self.delete,
                None,
                status=204,
                problems=(409,),
            ),
            *entitlements,
            Operation(
                "GET",
                f"{one}/access",
                "Explain an organization's access",
                self.access,
                shapes.AccessExplained,
                query=AccessQuery,
            ),
        ]
