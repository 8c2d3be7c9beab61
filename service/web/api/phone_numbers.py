"""The API's operations on phone numbers."""

from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel

from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.web.api.operations import ApiRequest, Operation
from service.web.shapes import phone_numbers as shapes
from service.web.shapes.paging import ListPage, read_cursor, write_cursor
from service.web.shapes.phone_numbers import PhoneNumbersQuery, phone_number_shape


@dataclass(frozen=True, slots=True)
class PhoneNumberOperations:
    """Read requests, call the use cases, shape responses."""

    numbers: PhoneNumbers

    async def create(self, request: ApiRequest) -> BaseModel:
        body: shapes.PhoneNumberBody = request.body
        return phone_number_shape(await self.numbers.create(request.actor, body.model_dump()))

    async def list_page(self, request: ApiRequest) -> BaseModel:
        query: PhoneNumbersQuery = request.query
        after = read_cursor(query.cursor, UUID)
        found = await self.numbers.list_page(
            organization_id=query.organization_id,
            sync_state=query.sync_state,
            search=query.search,
            after=after[0] if after else None,
            limit=query.limit + 1,
        )
        items = [phone_number_shape(number) for number in found[: query.limit]]
        return ListPage[shapes.PhoneNumber](
            items=items,
            next_cursor=write_cursor(items[-1].id) if len(found) > query.limit else None,
        )

    async def get(self, request: ApiRequest) -> BaseModel:
        return phone_number_shape(await self.numbers.get(request.ids["phone_number_id"]))

    async def patch(self, request: ApiRequest) -> BaseModel:
        body: shapes.PhoneNumberPatch = request.body
        values = body.model_dump(include=body.model_fields_set)
        return phone_number_shape(
            await self.numbers.change(request.actor, request.ids["phone_number_id"], values)
        )

    async def delete(self, request: ApiRequest) -> None:
        await self.numbers.delete(request.actor, request.ids["phone_number_id"])

    async def sync(self, request: ApiRequest) -> BaseModel:
        return phone_number_shape(
            await self.numbers.sync(request.actor, request.ids["phone_number_id"])
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
            Operation("GET", one, "Get a phone number", self.get, gives),
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
                "Release a phone number and restore its previous webhook",
                self.delete,
                None,
                status=204,
            ),
            Operation("POST", f"{one}/sync", "Sync a phone number now", self.sync, gives),
        ]
