"""One operation of the API: what it takes, what it gives, who may use it; and running it.

The same table builds the routes and the OpenAPI document, so that neither can drift from the other.
"""

import base64
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from service.admin.actor import Actor
from service.web.api.json_body import read_json
from service.web.shapes.errors import InputError, faults
from service.web.shapes.fields import CANONICAL_UUID, VAPI_ID, digits_of

PREFIX = "/api/v1"
CURSOR = r"^[A-Za-z0-9_=-]*$"

Model = TypeVar("Model", bound=BaseModel)


class QueryParameters(BaseModel):
    """Query parameters; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(QueryParameters):
    """Paging: `cursor` is what the page before gave as `next_cursor`."""

    limit: Annotated[int, BeforeValidator(digits_of)] = Field(default=50, ge=1, le=200)
    cursor: Annotated[str, StringConstraints(max_length=2000, pattern=CURSOR)] | None = None


class ListPage(BaseModel, Generic[Model]):
    """One page of a list."""

    items: list[Model]
    next_cursor: str | None

    @classmethod
    def model_parametrized_name(cls, params: tuple[type[Any], ...]) -> str:
        """The name in the document."""
        return f"{params[0].__name__}Page"


@dataclass(slots=True)
class ApiRequest:
    """A request that has been read: who asks, for what."""

    actor: Actor
    request: web.Request
    query: Any = None
    body: Any = None
    ids: dict[str, UUID] = field(default_factory=dict)
    vapi_ids: dict[str, str] = field(default_factory=dict)


Run = Callable[[ApiRequest], Awaitable[BaseModel | None]]


@dataclass(frozen=True, slots=True)
class Operation:
    """`gives` is None for an empty 204. A body that is optional counts as an empty object where there
    is none. `seconds` is how long it may take. `vapi_ids` are the path's parameters that are ids of
    Vapi's; all others are UUIDs. `makes_at` is where something new is, if not below the path itself.
    """

    method: str
    path: str
    summary: str
    run: Run
    gives: type[BaseModel] | None
    status: int = 200
    query: type[QueryParameters] | None = None
    body: type[BaseModel] | None = None
    problems: tuple[int, ...] = ()
    body_optional: bool = False
    seconds: float = 30.0
    vapi_ids: tuple[str, ...] = ()
    makes_at: str | None = None

    @property
    def area(self) -> str:
        """The first part of the path: what tokens with scopes are held to."""
        return self.path.split("/")[1]

    @property
    def parameters(self) -> list[str]:
        """Names of the path's parameters."""
        return re.findall(r"{(\w+)}", self.path)

    async def serve(self, request: web.Request, actor: Actor) -> web.Response:
        """Read, run, write."""
        asked = ApiRequest(actor, request)
        for name in self.parameters:
            if name in self.vapi_ids:
                asked.vapi_ids[name] = path_vapi_id(request, name)
            else:
                asked.ids[name] = path_id(request, name)
        asked.query = read_query(request, self.query or QueryParameters)
        if self.body is not None and not (self.body_optional and not request.body_exists):
            asked.body = await read_body(request, self.body)
        elif self.body is not None:
            asked.body = self.body()
        else:
            await refuse_body(request)
        found = await self.run(asked)
        if found is None:
            return web.Response(status=self.status)
        headers = {"Cache-Control": "no-store"}
        if self.status == 201 and (made := getattr(found, "id", None)) is not None:
            place = request.path if self.makes_at is None else PREFIX + self.makes_at
            headers["Location"] = f"{place}/{made}"
        return web.Response(
            status=self.status,
            text=found.model_dump_json(),
            content_type="application/json",
            headers=headers,
        )


def path_id(request: web.Request, name: str) -> UUID:
    """An id in the path; what is no UUID names nothing."""
    text = request.match_info[name]
    if not re.fullmatch(CANONICAL_UUID, text):
        raise InputError(404, "not_found", "There is nothing at this address: the id is no UUID.")
    return UUID(text)


def path_vapi_id(request: web.Request, name: str) -> str:
    """An id of Vapi's in the path; what cannot be one names nothing."""
    text = request.match_info[name]
    if not re.fullmatch(VAPI_ID, text):
        raise InputError(404, "not_found", "There is nothing at this address: that is no id.")
    return text


def read_query(request: web.Request, shape: type[QueryParameters]) -> QueryParameters:
    """The query parameters, each at most once."""
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name in values:
            raise InputError(422, "invalid_query", "A parameter is there twice.")
        values[name] = value
    try:
        return shape.model_validate(values)
    except ValidationError as exc:
        raise InputError(422, "invalid_query", "The query is not valid.", faults(exc)) from None


async def read_body(request: web.Request, shape: type[Model]) -> Model:
    """The JSON body, in the shape that the operation takes."""
    if request.content_type != "application/json":
        raise InputError(415, "unsupported_media_type", "Send JSON, as application/json.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise InputError(415, "unsupported_media_type", "Send the body without compression.")
    content = await request.read()
    if not isinstance(read_json(content), dict):
        raise InputError(422, "invalid_body", "The body must be a JSON object.")
    try:
        return shape.model_validate_json(content)
    except ValidationError as exc:
        raise InputError(422, "invalid_body", "The body is not valid.", faults(exc)) from None


async def refuse_body(request: web.Request) -> None:
    """A body that nobody reads was meant for another request; an empty object is none."""
    if request.body_exists and (await request.read()).strip() not in (b"", b"{}"):
        raise InputError(400, "unexpected_body", "This request takes no body.")


def write_cursor(*parts: object) -> str:
    """An opaque place in a list."""
    return base64.urlsafe_b64encode(orjson.dumps([str(part) for part in parts])).decode()


def read_cursor(cursor: str | None, *kinds: Callable[[str], Any]) -> tuple[Any, ...] | None:
    """The place that a cursor means, or None for the beginning."""
    if cursor is None:
        return None
    try:
        parts = orjson.loads(base64.b64decode(cursor.encode("ascii"), b"-_", validate=True))
        if not isinstance(parts, list) or len(parts) != len(kinds) or "\x00" in "".join(parts):
            raise ValueError("not ours")
        return tuple(kind(part) for kind, part in zip(kinds, parts, strict=True))
    except (ValueError, TypeError, OverflowError):
        raise InputError(422, "invalid_cursor", "The cursor is not one of ours.") from None


def place_in_time(text: str) -> datetime:
    """The instant in a cursor of ours: PostgreSQL's, so it has its zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None or not 1 < found.year < 9999:
        raise ValueError("not ours")
    return found


def place_in_log(text: str) -> int:
    """The number in a cursor of ours."""
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValueError("not ours")
    return int(text)
