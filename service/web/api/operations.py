"""One operation of the API: what it takes, what it gives, who may use it; and running it.

The same table builds the routes and the OpenAPI document, so that neither can drift from the other.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ValidationError

from service.admin.actor import Actor
from service.domain.texts import is_all
from service.web.api.json_body import read_json
from service.web.off_loop import off_loop
from service.web.shapes.errors import InputError, faults
from service.web.shapes.fields import CANONICAL_UUID, VAPI_ID
from service.web.shapes.paging import QueryParameters

PREFIX = "/api/v1"

Model = TypeVar("Model", bound=BaseModel)


@dataclass(slots=True)
class ApiRequest:
    """A request that has been parsed, with its actor."""

    actor: Actor
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
        parsed = ApiRequest(actor)
        for name in self.parameters:
            if name in self.vapi_ids:
                parsed.vapi_ids[name] = path_vapi_id(request, name)
            else:
                parsed.ids[name] = path_id(request, name)
        parsed.query = read_query(request, self.query or QueryParameters)
        if self.body is not None and not (self.body_optional and not request.body_exists):
            parsed.body = await read_body(request, self.body)
        elif self.body is not None:
            parsed.body = self.body()
        else:
            await refuse_body(request)
        found = await self.run(parsed)
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
    if not is_all(CANONICAL_UUID, text):
        raise InputError(404, "not_found", "There is nothing at this address: the id is no UUID.")
    return UUID(text)


def path_vapi_id(request: web.Request, name: str) -> str:
    """An id of Vapi's in the path; what cannot be one names nothing."""
    text = request.match_info[name]
    if not is_all(VAPI_ID, text):
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
    return await off_loop(len(content), judge_body, content, shape)


def judge_body(content: bytes, shape: type[Model]) -> Model:
    """A JSON text in a shape. Raises `InputError`."""
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
