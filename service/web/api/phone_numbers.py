"""The API's operations on phone numbers."""

from dataclasses import dataclass

from pydantic import BaseModel

from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.web.api.operations import ApiRequest, Operation
from service.web.exports.export import EXPORT_SECONDS, Export
from service.web.exports.phone_numbers import export_phone_numbers
from service.web.shapes import phone_numbers as shapes
from service.web.shapes.paging import ListPage, write_cursor
from service.web.shapes.phone_numbers import (
    PhoneNumbersExportQuery,
    PhoneNumbersQuery,
    phone_number_shape,
)


@dataclass(frozen=True, slots=True)
class PhoneNumberOperations:
    """Read requests, call the use cases, shape responses."""

    numbers: PhoneNumbers

    async def create_phone_number(self, request: ApiRequest) -> BaseModel:
        """Register a number by its id at Vapi and configure its webhook there at once.

        If Vapi cannot be reached the number stays `pending` and is configured later.
        """
        body: shapes.PhoneNumberBody = request.body
        return phone_number_shape(await self.numbers.create(request.actor, body.model_dump()))

    async def list_phone_numbers(self, request: ApiRequest) -> BaseModel:
        """Registered numbers; `search` is a part of a number as people write it, a label or a name."""
        query: PhoneNumbersQuery = request.query
        page = await self.numbers.find_page(
            query.filter, sort=query.sort, after=query.position, limit=query.limit
        )
        return ListPage[shapes.PhoneNumber](
            items=[phone_number_shape(number) for number in page.numbers],
            next_cursor=write_cursor(*page.next) if page.next else None,
        )

    async def export_phone_numbers(self, request: ApiRequest) -> Export[shapes.PhoneNumber]:
        """All numbers that match the filters, as a file: CSV or JSON Lines."""
        query: PhoneNumbersExportQuery = request.query
        return export_phone_numbers(self.numbers, query.filter, query.sort)

    async def get_phone_number(self, request: ApiRequest) -> BaseModel:
        """A number and the state of its webhook at Vapi."""
        return phone_number_shape(await self.numbers.get(request.ids["phone_number_id"]))

    async def change_phone_number(self, request: ApiRequest) -> BaseModel:
        """Change the fields that are sent. Another gate, answer or owner is written to Vapi at once."""
        body: shapes.PhoneNumberPatch = request.body
        values = body.model_dump(include=body.model_fields_set)
        return phone_number_shape(
            await self.numbers.change(request.actor, request.ids["phone_number_id"], values)
        )

    async def delete_phone_number(self, request: ApiRequest) -> None:
        """Release a number: what was configured at Vapi before Callgate is put back."""
        await self.numbers.delete(request.actor, request.ids["phone_number_id"])

    async def sync_phone_number(self, request: ApiRequest) -> BaseModel:
        """Compare a number with Vapi now and repair it, also while the reconciler leaves it alone."""
        return phone_number_shape(
            await self.numbers.sync(request.actor, request.ids["phone_number_id"])
        )

    async def relink_phone_number(self, request: ApiRequest) -> BaseModel:
        """Link a number that was removed and imported again at Vapi to its `successor_vapi_id`, and
        configure it there. Only an admin can know whether it still belongs to the organization."""
        return phone_number_shape(
            await self.numbers.relink(request.actor, request.ids["phone_number_id"])
        )

    def operations(self) -> list[Operation]:
        one, gives = "/phone-numbers/{phone_number_id}", shapes.PhoneNumber
        return [
            Operation(
                "POST",
                "/phone-numbers",
                "Register a phone number and configure it at Vapi",
                self.create_phone_number,
                gives,
                status=201,
                body=shapes.PhoneNumberBody,
                problems=(409,),
            ),
            Operation(
                "GET",
                "/phone-numbers",
                "List phone numbers",
                self.list_phone_numbers,
                ListPage[shapes.PhoneNumber],
                query=PhoneNumbersQuery,
            ),
            Operation(
                "GET",
                "/phone-numbers/export",
                "Export phone numbers",
                self.export_phone_numbers,
                None,
                query=PhoneNumbersExportQuery,
                exports=True,
                seconds=EXPORT_SECONDS,
            ),
            Operation("GET", one, "Get a phone number", self.get_phone_number, gives),
            Operation(
                "PATCH",
                one,
                "Change a phone number",
                self.change_phone_number,
                gives,
                body=shapes.PhoneNumberPatch,
            ),
            Operation(
                "DELETE",
                one,
                "Release a phone number and restore its previous webhook",
                self.delete_phone_number,
                None,
                status=204,
            ),
            Operation(
                "POST", f"{one}/sync", "Sync a phone number now", self.sync_phone_number, gives
            ),
            Operation(
                "POST",
                f"{one}/relink",
                "Link a missing phone number to its new id at Vapi",
                self.relink_phone_number,
                gives,
                problems=(409,),
            ),
        ]
