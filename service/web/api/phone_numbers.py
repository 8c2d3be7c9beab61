"""The API's operations on phone numbers."""

from dataclasses import asdict, dataclass
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.domain.phone_numbers import PhoneNumber
from service.web.api.operations import (
    ApiRequest,
    ListPage,
    Operation,
    PageQuery,
    read_cursor,
    write_cursor,
)
from service.web.shapes import shapes
from service.web.shapes.fields import Id


class PhoneNumbersQuery(PageQuery):
    """Filters: whose, and in which state of synchronisation."""

    organization_id: Id | None = None
    sync_state: (
        Literal["pending", "in_sync", "drifted", "shadowed", "missing", "failed", "paused"] | None
    ) = None


def phone_number_shape(number: PhoneNumber) -> shapes.PhoneNumber:
    """A number with the state of its webhook."""
    return shapes.PhoneNumber.model_validate(asdict(number))


@dataclass(frozen=True, slots=True)
class PhoneNumberOperations:
    """Reads requests, calls the use cases, shapes answers."""

    numbers: PhoneNumbers

    async def create(self, asked: ApiRequest) -> BaseModel:
        body: shapes.PhoneNumberBody = asked.body
        return phone_number_shape(await self.numbers.create(asked.actor, body.model_dump()))

    async def list_page(self, asked: ApiRequest) -> BaseModel:
        query: PhoneNumbersQuery = asked.query
        after = read_cursor(query.cursor, UUID)
        found = await self.numbers.list_page(
            organization_id=query.organization_id,
            sync_state=query.sync_state,
            after=after[0] if after else None,
            limit=query.limit + 1,
        )
        items = [phone_number_shape(number) for number in found[: query.limit]]
        return ListPage[shapes.PhoneNumber](
            items=items,
            next_cursor=write_cursor(items[-1].id) if len(found) > query.limit else None,
        )

    async def get(self, asked: ApiRequest) -> BaseModel:
        return phone_number_shape(await self.numbers.get(asked.ids["phone_number_id"]))

    async def patch(self, asked: ApiRequest) -> BaseModel:
        body: shapes.PhoneNumberPatch = asked.body
        values = body.model_dump(include=body.model_fields_set)
        return phone_number_shape(
            await self.numbers.change(asked.actor, asked.ids["phone_number_id"], values)
        )

    async def delete(self, asked: ApiRequest) -> None:
        await self.numbers.delete(asked.actor, asked.ids["phone_number_id"])

    async def sync(self, asked: ApiRequest) -> BaseModel:
        return phone_number_shape(
            await self.numbers.sync(asked.actor, asked.ids["phone_number_id"])
        )

    def operations(self) -> list[Operation]:
        one, gives = "/phone-numbers/{phone_number_id}", shapes.PhoneNumber
        return [
            Operation(
                "POST",
                "/phone-numbers",
                "Register a phone number and configure it at Vapi",
                self.create,
                gives,
                status=201,
                body=shapes.PhoneNumberBody,
                problems=(409,),
            ),
            Operation(
                "GET",
                "/phone-numbers",
                "List phone numbers",
                self.list_page,
                ListPage[shapes.PhoneNumber],
                query=PhoneNumbersQuery,
            ),
            Operation("GET", one, "Read a phone number", self.get, gives),
            Operation(
                "PATCH",
                one,
                "Change a phone number",
                self.patch,
                gives,
                body=shapes.PhoneNumberPatch,
            ),
            Operation(
                "DELETE",
                one,
                "Give a phone number up and put back its former webhook",
                self.delete,
                None,
                status=204,
            ),
            Operation("POST", f"{one}/sync", "Look at a phone number now", self.sync, gives),
        ]
