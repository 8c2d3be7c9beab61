"""One operation of the API: what it takes, what it gives, who may use it; and running it.

The same table builds the routes and the OpenAPI document, so that neither can drift from the other.
"""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.admin.actor import Actor
from service.web.problems import problem

Model = TypeVar("Model", bound=BaseModel)


class InputError(Exception):
    """The request cannot be read as asked: status, code and a list of what is wrong."""

    def __init__(
        self, status: int, code: str, detail: str, errors: list[Any] | None = None
    ) -> None:
        super().__init__(detail)
        self.response = problem(status, code, detail, **({"errors": errors} if errors else {}))


class Query(BaseModel):
    """Query parameters; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(Query):
    """Paging: `cursor` is what the page before gave as `next_cursor`."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=1000)


class Page(BaseModel, Generic[Model]):
    """One page of a list."""

    items: list[Model]
    next_cursor: str | None = None


@dataclass(slots=True)
class Asked:
    """A request that has been read: who asks, for what."""

    actor: Actor
    request: web.Request
    query: Any = None
    body: Any = None
    ids: dict[str, UUID] = field(default_factory=dict)


Run = Callable[[Asked], Awaitable[BaseModel | None]]


@dataclass(frozen=True, slots=True)
class Operation:
    """`gives` is None for an empty 204."""

    method: str
    path: str
    summary: str
    run: Run
    gives: type[BaseModel] | None
    status: int = 200
    query: type[Query] | None = None
    body: type[BaseModel] | None = None
    tag: str = ""
    problems: tuple[int, ...] = ()

    @property
    def parameters(self) -> list[str]:
        """Names of the path's parameters; all are UUIDs."""
        return re.findall(r"{(\w+)}", self.path)

    async def serve(self, request: web.Request, actor: Actor) -> web.Response:
        """Read, run, write."""
        asked = Asked(actor, request)
        asked.ids = {name: path_id(request, name) for name in self.parameters}
        asked.query = read_query(request, self.query or Query)
        if self.body is not None:
            asked.body = await read_body(request, self.body)
        found = await self.run(asked)
        if found is None:
            return web.Response(status=self.status)
        headers = {"Cache-Control": "no-store"}
        if self.status == 201 and (made := getattr(found, "id", None)) is not None:
            headers["Location"] = f"{request.path}/{made}"
        return web.Response(
            status=self.status,
            text=found.model_dump_json(),
            content_type="application/json",
            headers=headers,
        )


def path_id(request: web.Request, name: str) -> UUID:
    """An id in the path; what is no UUID names nothing."""
    text = request.match_info[name]
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        raise InputError(404, "not_found", "There is nothing at this address: the id is no UUID.")
    return UUID(text)


def read_query(request: web.Request, shape: type[Query]) -> Query:
    """The query parameters, each at most once."""
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name in values:
            raise InputError(422, "invalid_query", f"The parameter {name!r} is there twice.")
        values[name] = value
    try:
        return shape.model_validate(values)
    except ValidationError as exc:
        raise InputError(422, "invalid_query", "The query is not valid.", faults(exc)) from None


async def read_body(request: web.Request, shape: type[Model]) -> Model:
    """The JSON body, in the shape that the operation takes."""
    if request.content_type != "application/json":
        raise InputError(415, "unsupported_media_type", "Send JSON, as application/json.")
    content = await request.read()
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise InputError(400, "malformed_json", "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise InputError(422, "invalid_body", "The body must be a JSON object.")
    try:
        return shape.model_validate_json(content)
    except ValidationError as exc:
        raise InputError(422, "invalid_body", "The body is not valid.", faults(exc)) from None


def faults(error: ValidationError) -> list[dict[str, str]]:
    """What is wrong and where, without repeating values."""
    return [
        {"field": ".".join(str(part) for part in fault["loc"]), "message": str(fault["msg"])}
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def write_cursor(*parts: object) -> str:
    """An opaque place in a list."""
    return base64.urlsafe_b64encode(orjson.dumps([str(part) for part in parts])).decode()


def read_cursor(cursor: str | None, *kinds: Callable[[str], Any]) -> tuple[Any, ...] | None:
    """The place that a cursor means, or None for the beginning."""
    if cursor is None:
        return None
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        if not isinstance(parts, list) or len(parts) != len(kinds) or "\x00" in "".join(parts):
            raise ValueError("not ours")
        return tuple(kind(part) for kind, part in zip(kinds, parts, strict=True))
    except (ValueError, TypeError, binascii.Error, OverflowError):
        raise InputError(422, "invalid_cursor", "The cursor is not one of ours.") from None
