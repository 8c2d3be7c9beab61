"""The admin API as an aiohttp application: authentication, routes, the OpenAPI document, its page."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.resources import files

import orjson
import structlog
from aiohttp import web

from service.admin.actor import Actor
from service.admin.people.tokens import Tokens
from service.admin.requests.idempotency import Idempotency
from service.admin.requests.versions import expecting
from service.store.bounded import at_most
from service.store.limits import REQUEST_SECONDS, waiting_at_most, without_allowance
from service.store.pool import CONFLICTS, UNAVAILABLE
from service.web.api.idempotency import Serve, serve_once
from service.web.api.openapi import build_openapi
from service.web.api.operations import CHANGES, FindOwner, Operation, Run
from service.web.api.preconditions import read_if_match
from service.web.problems import from_input, problem
from service.web.shapes.errors import InputError

STATIC = files("service.web.api") / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FILES = {"docs.js": "text/javascript", "docs.css": "text/css"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger()


def unauthorized(detail: str) -> web.Response:
    response = problem(401, "unauthorized", detail)
    response.headers["WWW-Authenticate"] = 'Bearer realm="callgate"'
    return response


def busy(detail: str) -> web.Response:
    response = problem(503, "unavailable", detail)
    response.headers["Retry-After"] = "2"
    return response


def bearer(request: web.Request) -> str | None:
    """The bearer token of a request; None for two headers or another scheme."""
    values = request.headers.getall("Authorization", [])
    if len(values) != 1:
        return None
    scheme, _, token = values[0].partition(" ")
    return token.strip(" ") or None if scheme.lower() == "bearer" else None


def guarded(
    operation: Operation,
    tokens: Tokens,
    find_owner: FindOwner,
    keys: Idempotency,
    read_object: Run | None,
) -> Handler:
    """A handler that authenticates before it reads anything else. `read_object` reads the object that a
    POST is about."""

    async def answer(request: web.Request, token: str) -> web.StreamResponse:
        async with at_most(operation.seconds):
            actor: Actor | None = await tokens.authenticate(token, "api")
            if actor is None:
                return unauthorized("The token is unknown, revoked or expired.")
            if not actor.reaches(operation.area):
                return problem(403, "forbidden", f"The token lacks the scope `{operation.area}`.")
            if operation.exports:
                with without_allowance():
                    return await operation.serve_export(request, actor, find_owner)
            serve = partial(operation.serve, request, actor, find_owner, read_object)
            with without_allowance() if operation.is_long else nullcontext():
                if operation.method in CHANGES:
                    return await serve_expected(request, serve)
                if operation.method != "POST":
                    return await serve()
                return await serve_once(
                    keys,
                    request,
                    actor,
                    partial(serve_expected, request, serve),
                    seconds=operation.seconds,
                    is_secret=operation.is_secret,
                )

    async def handle(request: web.Request) -> web.StreamResponse:
        token = bearer(request)
        if token is None:
            return unauthorized("Send an API token: Authorization: Bearer cg_…")
        try:
            with waiting_at_most(REQUEST_SECONDS):
                return await answer(request, token)
        except InputError as exc:
            return from_input(exc)
        except CONFLICTS:
            return busy("A concurrent change interfered. Retry.")
        except UNAVAILABLE as exc:
            log.warning("request.unavailable", path=operation.path, error=type(exc).__name__)
            return busy("The database does not respond. Retry.")

    return handle


async def serve_expected(request: web.Request, serve: Serve) -> web.Response:
    """Answer, unless the object is not in the version that `If-Match` names."""
    with expecting(read_if_match(request)):
        return await serve()


@dataclass(slots=True)
class OpenApiDocument:
    """The document: built beside the event loop when it is first asked for, and kept."""

    operations: Sequence[Operation]
    building: asyncio.Task[bytes] | None = None

    async def get(self) -> bytes:
        """The document as JSON."""
        if self.building is None:
            self.building = asyncio.create_task(asyncio.to_thread(self.build))
        return await asyncio.shield(self.building)

    def build(self) -> bytes:
        return orjson.dumps(build_openapi(self.operations, version("callgate")))


def build_application(
    operations: Sequence[Operation], tokens: Tokens, find_owner: FindOwner, keys: Idempotency
) -> web.Application:
    """The application to be mounted at /api."""
    app = web.Application(client_max_size=2**20)
    reading = {one.path: one.run for one in operations if one.method == "GET"}
    for operation in operations:
        read_object = reading.get(operation.object_path)
        handler = guarded(operation, tokens, find_owner, keys, read_object)
        app.router.add_route(operation.method, f"/v1{operation.path}", handler)
        if operation.method == "GET":
            app.router.add_route("HEAD", f"/v1{operation.path}", handler)
    document = OpenApiDocument(operations)

    async def openapi(_request: web.Request) -> web.Response:
        return web.Response(body=await document.get(), content_type="application/json")

    async def docs(_request: web.Request) -> web.Response:
        page = (STATIC / "docs.html").read_text()
        headers = {"Content-Security-Policy": POLICY}
        return web.Response(text=page, content_type="text/html", headers=headers)

    async def asset(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in FILES:
            raise web.HTTPNotFound
        return web.Response(text=(STATIC / name).read_text(), content_type=FILES[name])

    app.router.add_get("/openapi.json", openapi)
    app.router.add_get("/docs", docs)
    app.router.add_get("/docs/{name}", asset)
    return app
