"""An operation of the API: its request, its response, and running it.

One table of operations builds the routes and the OpenAPI document, so that they always agree.
"""

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ValidationError

from policies.host.ids import find_uuid, parse_vapi_id
from policies.host.marks import BadTextError
from policies.host.registration import NAME
from service.admin.actor import Actor
from service.admin.errors import PolicyNotFoundError
from service.admin.requests.versions import check_version, expects_version
from service.domain.organizations import BY_EXTERNAL_ID
from service.inputs.names import parse_query
from service.web.api.json_body import read_json
from service.web.api.preconditions import ETAG, etag_of
from service.web.exports.export import Export, send_export
from service.web.off_loop import off_loop
from service.web.shapes.errors import InputError, faults
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
    policy: str = ""


OWNER = "organization_id"

CHANGES = ("PUT", "PATCH", "DELETE")
"""The methods whose use cases check the version that a request expects."""
POLICY = "name"
"""The parameter that is the name of a policy."""
UNVERSIONED = ""
"""In no ETag: what has no version is in no version that a request can expect."""

FindOwner = Callable[[str], Awaitable[UUID]]
"""The id of the organization with an external id; raises `OrganizationNotFoundError`."""


class Run(Protocol):
    """The handler of an operation. Its name is the operation's id, its docstring the description."""

    __name__: str

    async def __call__(self, request: ApiRequest, /) -> BaseModel | Export[Any] | None: ...


@dataclass(frozen=True, slots=True)
class Operation:
    """An entry of the table.

    `gives` is the response, None for an empty 204. An optional body that is absent counts as an empty
    object. `seconds` is the timeout; `is_long`: waits for PostgreSQL end with the limits of each
    statement, for others after `REQUEST_SECONDS`. `vapi_ids` are the path parameters that are ids of
    Vapi; all others but the name of a policy are UUIDs. `makes_at` is the path of a new object, if not
    below the operation's own. `is_secret`: the answer has a secret, and is kept encrypted where it is
    kept. `exports`: it answers with a file, in the format that its query asks for.
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
    is_long: bool = False
    vapi_ids: tuple[str, ...] = ()
    makes_at: str | None = None
    is_secret: bool = False
    exports: bool = False

    @property
    def name(self) -> str:
        """The id of the operation, which reads as a method: the name of its handler."""
        return self.run.__name__

    @property
    def description(self) -> str:
        """What the handler's docstring says."""
        return inspect.cleandoc(self.run.__doc__ or "")

    @property
    def area(self) -> str:
        """The first part of the path, which the scopes of tokens name."""
        return self.path.split("/")[1]

    @property
    def parameters(self) -> list[str]:
        """The names of the path's parameters."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def object_path(self) -> str:
        """The path of the object that it is about; empty for one about a collection."""
        return self.path[: self.path.rfind("}") + 1]

    async def serve(
        self,
        request: web.Request,
        actor: Actor,
        find_owner: FindOwner,
        read_object: Run | None = None,
    ) -> web.Response:
        """Read the request, run the operation, write the response.

        `find_owner` finds the organization that stands in the path by its external id; `read_object`
        reads the object that a POST is about.
        """
        parsed = await self.parse(request, actor, find_owner)
        if self.method not in CHANGES and expects_version():
            await check_object(parsed, read_object)
        found = await self.run(parsed)
        assert not isinstance(found, Export)
        return self.answer(request, found)

    async def serve_export(
        self, request: web.Request, actor: Actor, find_owner: FindOwner
    ) -> web.StreamResponse:
        """Read the request and answer with the file that the operation gives."""
        parsed = await self.parse(request, actor, find_owner)
        found = await self.run(parsed)
        assert isinstance(found, Export)
        return await send_export(request, found, parsed.query.format)

    async def parse(self, request: web.Request, actor: Actor, find_owner: FindOwner) -> ApiRequest:
        """Read and check the request. Raises `InputError`."""
        parsed = ApiRequest(actor)
        for name in self.parameters:
            if name == POLICY:
                parsed.policy = path_policy(request)
            elif name in self.vapi_ids:
                parsed.vapi_ids[name] = path_vapi_id(request, name)
            elif name == OWNER and request.match_info[name].startswith(BY_EXTERNAL_ID):
                parsed.ids[name] = await find_owner(
                    parse_query(request.match_info[name].removeprefix(BY_EXTERNAL_ID))
                )
            else:
                parsed.ids[name] = path_id(request, name)
        parsed.query = read_query(request, self.query or QueryParameters)
        if self.body is not None and not (self.body_optional and not request.body_exists):
            parsed.body = await read_body(request, self.body)
        elif self.body is not None:
            parsed.body = self.body()
        else:
            await refuse_body(request)
        return parsed

    def answer(self, request: web.Request, found: BaseModel | None) -> web.Response:
        """Write the response."""
        if found is None:
            return web.Response(status=self.status)
        headers = {"Cache-Control": "no-store"}
        if self.status == 201 and (made := getattr(found, "id", None)) is not None:
            place = request.path if self.makes_at is None else PREFIX + self.makes_at
            headers["Location"] = f"{place}/{made}"
        if (tag := etag_of(found)) is not None:
            headers[ETAG] = tag
        return web.Response(
            status=self.status,
            text=found.model_dump_json(),
            content_type="application/json",
            headers=headers,
        )


async def check_object(request: ApiRequest, read_object: Run | None) -> None:
    """Check that the object of a POST is in the version that the request expects.

    Raises `PreconditionFailedError`, also where there is no such object.
    """
    found = read_object and await read_object(replace(request, query=None, body=None))
    tag = etag_of(found) if isinstance(found, BaseModel) else None
    check_version(tag.strip('"') if tag else UNVERSIONED)


def path_id(request: web.Request, name: str) -> UUID:
    """An id in the path. Raises `InputError` (404) for an invalid UUID."""
    found = find_uuid(request.match_info[name])
    if found is None:
        raise InputError(404, "not_found", "The address does not exist: the id is not a UUID.")
    return found


def path_policy(request: web.Request) -> str:
    """The name of a policy in the path. Raises `InputError` (404) for what cannot be one."""
    text = request.match_info[POLICY]
    if not NAME.fullmatch(text):
        raise InputError(404, PolicyNotFoundError.code, PolicyNotFoundError.sentence)
    return text


def path_vapi_id(request: web.Request, name: str) -> str:
    """An id of Vapi in the path. Raises `InputError` (404) for an invalid id."""
    try:
        return parse_vapi_id(request.match_info[name])
    except BadTextError:
        text = "The address does not exist: the id is invalid."
        raise InputError(404, "not_found", text) from None


def read_query(request: web.Request, shape: type[QueryParameters]) -> QueryParameters:
    """Parse the query parameters, each at most once."""
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name in values:
            raise InputError(422, "invalid_query", "A query parameter is repeated.")
        values[name] = value
    try:
        return shape.model_validate(values)
    except ValidationError as exc:
        raise InputError(422, "invalid_query", "The query is invalid.", faults(exc)) from None


async def read_body(request: web.Request, shape: type[Model]) -> Model:
    """Parse the JSON body in the shape of the operation."""
    if request.content_type != "application/json":
        raise InputError(
            415, "unsupported_media_type", "Send JSON with the content type application/json."
        )
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise InputError(415, "unsupported_media_type", "Send the body without Content-Encoding.")
    content = await request.read()
    return await off_loop(len(content), judge_body, content, shape)


def judge_body(content: bytes, shape: type[Model]) -> Model:
    """A JSON text in a shape. Raises `InputError`."""
    if not isinstance(read_json(content), dict):
        raise InputError(422, "invalid_body", "The body must be a JSON object.")
    try:
        return shape.model_validate_json(content)
    except ValidationError as exc:
        raise InputError(422, "invalid_body", "The body is invalid.", faults(exc)) from None


async def refuse_body(request: web.Request) -> None:
    """Refuse a body that the operation would ignore; an empty object counts as none."""
    if request.body_exists and (await request.read()).strip() not in (b"", b"{}"):
        raise InputError(400, "unexpected_body", "This request takes no body.")
