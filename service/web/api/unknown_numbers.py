"""The API's operations on unknown numbers: they call us and are not registered."""

from dataclasses import dataclass

from pydantic import BaseModel

from service.admin.phone_numbers.unknown_numbers import UnknownNumbers
from service.web.api.operations import ApiRequest, Operation
from service.web.shapes.paging import ListPage, place_in_time, read_cursor, write_cursor
from service.web.shapes.phone_numbers import PhoneNumber, phone_number_shape
from service.web.shapes.unknown_numbers import (
    ClaimBody,
    UnknownNumber,
    UnknownNumbersQuery,
    unknown_number_shape,
)

NAME = "vapi_phone_number_id"


@dataclass(frozen=True, slots=True)
class UnknownNumberOperations:
    """Read requests, call the use cases, shape responses."""

    unknown: UnknownNumbers

    async def list_unknown_numbers(self, request: ApiRequest) -> BaseModel:
        """Numbers whose calls reach Callgate although no organization has registered them."""
        query: UnknownNumbersQuery = request.query
        after = read_cursor(query.cursor, place_in_time, str)
        found = await self.unknown.list_page(
            ignored=query.ignored,
            after=(after[0], after[1]) if after else None,
            limit=query.limit + 1,
        )
        items = [UnknownNumber.model_validate(number) for number in found[: query.limit]]
        cursor = None
        if len(found) > query.limit:
            last = items[-1]
            cursor = write_cursor(last.last_seen_at.isoformat(), last.vapi_phone_number_id)
        return ListPage[UnknownNumber](items=items, next_cursor=cursor)

    async def claim_unknown_number(self, request: ApiRequest) -> BaseModel:
        """Register the number for an organization, as `POST /phone-numbers` does."""
        body: ClaimBody = request.body
        number = await self.unknown.claim(request.actor, request.vapi_ids[NAME], body.model_dump())
        return phone_number_shape(number)

    async def ignore_unknown_number(self, request: ApiRequest) -> BaseModel:
        """Leave the number out of the list and of the conditions."""
        found = await self.unknown.ignore(request.actor, request.vapi_ids[NAME])
        return unknown_number_shape(found)

    async def heed_unknown_number(self, request: ApiRequest) -> BaseModel:
        """Show the number in the list again."""
        found = await self.unknown.unignore(request.actor, request.vapi_ids[NAME])
        return unknown_number_shape(found)

    def operations(self) -> list[Operation]:
        one = "/unknown-numbers/{vapi_phone_number_id}"
        return [
            Operation(
                "GET",
                "/unknown-numbers",
                "List unknown numbers by their last call, newest first",
                self.list_unknown_numbers,
                ListPage[UnknownNumber],
                query=UnknownNumbersQuery,
            ),
            Operation(
                "POST",
                f"{one}/claim",
                "Register an unknown number for an organization",
                self.claim_unknown_number,
                PhoneNumber,
                status=201,
                body=ClaimBody,
                problems=(409,),
                vapi_ids=(NAME,),
                makes_at="/phone-numbers",
            ),
            Operation(
                "PUT",
                f"{one}/ignore",
                "Ignore an unknown number",
                self.ignore_unknown_number,
                UnknownNumber,
                vapi_ids=(NAME,),
            ),
            Operation(
                "DELETE",
                f"{one}/ignore",
                "Stop ignoring an unknown number",
                self.heed_unknown_number,
                UnknownNumber,
                vapi_ids=(NAME,),
            ),
        ]
