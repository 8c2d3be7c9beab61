"""The API's operations on numbers that call us and that nobody registered."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from service.admin.phone_numbers.unknown_numbers import UnknownNumbers
from service.web.api.operations import (
    ApiRequest,
    ListPage,
    Operation,
    PageQuery,
    place_in_time,
    read_cursor,
    write_cursor,
)
from service.web.api.phone_numbers import phone_number_shape
from service.web.shapes import shapes
from service.web.shapes.fields import Answer, Id, Instant, Name, Truth

NAME = "vapi_phone_number_id"


class UnknownNumbersQuery(PageQuery):
    """Those that wait, or those that somebody ignored."""

    ignored: Truth = False


class ClaimBody(shapes.Taken):
    organization_id: Id
    label: Name | None = None
    gate: Literal["event", "request"] = "event"
    answer_with: Answer | None = None


class UnknownNumber(shapes.Given):
    vapi_phone_number_id: str
    number: str | None
    first_seen_at: Instant
    last_seen_at: Instant
    calls: int
    last_vapi_call_id: str | None
    ignored_at: Instant | None
    ignored_by: str | None


@dataclass(frozen=True, slots=True)
class UnknownNumberOperations:
    """Reads requests, calls the use cases, shapes answers."""

    unknown: UnknownNumbers

    async def list_page(self, asked: ApiRequest) -> BaseModel:
        query: UnknownNumbersQuery = asked.query
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

    async def claim(self, asked: ApiRequest) -> BaseModel:
        body: ClaimBody = asked.body
        number = await self.unknown.claim(asked.actor, asked.vapi_ids[NAME], body.model_dump())
        return phone_number_shape(number)

    async def ignore(self, asked: ApiRequest) -> BaseModel:
        found = await self.unknown.ignore(asked.actor, asked.vapi_ids[NAME])
        return UnknownNumber.model_validate(found)

    async def heed(self, asked: ApiRequest) -> BaseModel:
        found = await self.unknown.heed(asked.actor, asked.vapi_ids[NAME])
        return UnknownNumber.model_validate(found)

    def operations(self) -> list[Operation]:
        one = "/unknown-numbers/{vapi_phone_number_id}"
        return [
            Operation(
                "GET",
                "/unknown-numbers",
                "List numbers that call us unregistered, the last to call first",
                self.list_page,
                ListPage[UnknownNumber],
                query=UnknownNumbersQuery,
            ),
            Operation(
                "POST",
                f"{one}/claim",
                "Register a number that calls us, for an organization",
                self.claim,
                shapes.PhoneNumber,
                status=201,
                body=ClaimBody,
                problems=(409,),
                vapi_ids=(NAME,),
                makes_at="/phone-numbers",
            ),
            Operation(
                "PUT",
                f"{one}/ignore",
                "Put a number aside",
                self.ignore,
                UnknownNumber,
                vapi_ids=(NAME,),
            ),
            Operation(
                "DELETE",
                f"{one}/ignore",
                "Take a number up again that was put aside",
                self.heed,
                UnknownNumber,
                vapi_ids=(NAME,),
            ),
        ]
