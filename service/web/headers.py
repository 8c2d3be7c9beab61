"""The headers of every answer, whichever part of the service or of aiohttp makes it."""

from collections.abc import Mapping

from aiohttp import web

from service.web.connections.straight_parser import StraightParser

NAME = "callgate"
"""The value of `Server`: no version, which would name known faults."""

DEFAULTS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    # For what is no page: a browser that opens it loads and runs nothing.
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}
"""A handler that needs another value sets it itself."""


def add_headers(response: web.StreamResponse) -> None:
    """Add what the answer does not set itself."""
    for name, value in DEFAULTS.items():
        response.headers.setdefault(name, value)
    if response.content_type == "text/event-stream":
        response.headers["Cache-Control"] = (
            "no-store"  # aiohttp-sse says no-cache, which may be stored
        )
    response.headers["Server"] = NAME


async def on_prepare(_request: web.Request, response: web.StreamResponse) -> None:
    """The signal of an application. It also reaches streams and answers of aiohttp's own, such as 417,
    which no middleware sees."""
    add_headers(response)


def as_bytes() -> bytes:
    """The headers of an answer that is sent without aiohttp."""
    lines = [f"{name}: {value}\r\n" for name, value in {**DEFAULTS, "Server": NAME}.items()]
    return "".join(lines).encode()


class GuardedHandler(web.RequestHandler):
    """A connection of aiohttp whose answers to malformed requests carry the headers, too, and which
    tells its parser when a request is answered."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        response = super().handle_error(request, status, exc, message)
        add_headers(response)
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        finished = await super().finish_response(request, resp, start_time)
        parser: object = self._parser
        if isinstance(parser, StraightParser):
            parser.finish(finished[0])
        return finished


def handler_of(server: web.Server) -> web.RequestHandler:
    """A new connection of the server. aiohttp offers no way to give its class."""
    handler = server()
    handler.__class__ = GuardedHandler
    return handler
