"""The panel's public address: a setting, never the `Host` header of a request."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from service.admin.people.reach import PanelReach
from service.settings import is_local
from service.web.panel.kit.proxies import SIGNED_IN, Handler


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """`origin` is CALLGATE_PUBLIC_URL; without it, requests to this machine's loopback are local and
    all others are taken for https."""

    origin: str = ""

    def is_secure(self, request: web.Request) -> bool:
        """Whether cookies are for https only."""
        if self.origin:
            return self.origin.startswith("https:")
        return not is_local(request.url.host or "")

    def base(self, request: web.Request) -> str:
        """The beginning of absolute addresses."""
        if self.origin:
            return self.origin
        scheme = "https" if self.is_secure(request) else request.scheme
        return f"{scheme}://{request.host}"

    def is_own(self, origin: str, request: web.Request) -> bool:
        """Whether an `Origin` header names the panel."""
        if self.origin:
            return origin.lower() == self.origin
        return urlsplit(origin).netloc == request.host

    def looks_plain(self, request: web.Request) -> bool:
        """Whether the browser seems to use http from another machine, where it drops the cookie."""
        if self.origin:
            return False
        forwarded = request.headers.get("X-Forwarded-Proto", request.scheme)
        return (
            self.is_secure(request) and forwarded == "http" and "Forwarded" not in request.headers
        )


PUBLIC = web.AppKey("PUBLIC", PublicAddress)


def public_address(request: web.Request) -> PublicAddress:
    """The public address of the application that serves a request."""
    return request.config_dict.get(PUBLIC, PublicAddress())


def noting_host(reach: PanelReach) -> Middleware:
    """Note a host by which a browser with a session reaches the panel while its address is not set."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        host = request.url.host or ""
        if SIGNED_IN in request and not public_address(request).origin and not is_local(host):
            reach.host.note(host[:100])
        return response

    return middleware


HSTS = {"Strict-Transport-Security": "max-age=31536000"}


async def add_hsts(_request: web.Request, response: web.StreamResponse) -> None:
    """The signal of an application whose public address is https."""
    response.headers.update(HSTS)
