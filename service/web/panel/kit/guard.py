"""Around every page: authentication, roles, protection of forms, and errors as pages."""

import hmac
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

import structlog
from aiohttp import web
from multidict import MultiDict, MultiDictProxy

from service.domain.errors import CallgateError, ForbiddenError
from service.domain.people import Session
from service.store.limits import REQUEST_SECONDS, waiting_at_most, without_allowance
from service.store.pool import CONFLICTS, UNAVAILABLE
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.proxies import SIGNED_IN
from service.web.panel.kit.public import public_address
from service.web.panel.kit.visit import ROOT, Notices, Visit
from service.web.shapes.errors import InputError

COOKIE = "callgate_session"
SAFE = ("GET", "HEAD")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Frame-Options": "DENY",
    # Forms of the panel carry their origin; other sites do not receive it.
    "Referrer-Policy": "same-origin",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger()


class SessionReader(Notices, Protocol):
    """The reader of sessions."""

    async def find(self, token: str) -> Session | None: ...


def from_elsewhere(request: web.Request) -> bool:
    """Whether another site made the browser send this request. Browsers say so in `Sec-Fetch-Site`,
    older ones in `Origin`. A client that sends neither is no browser with a cookie to exploit."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and not public_address(request).is_own(origin, request)


def sign_in_address(request: web.Request) -> str:
    """The address of the sign-in page, which returns to the requested page afterwards."""
    if request.method not in SAFE or "HX-Request" in request.headers:
        return f"{ROOT}/sign-in"
    return f"{ROOT}/sign-in?next={quote(str(request.rel_url), safe='')}"


def clean(text: str) -> str:
    """Refuse texts that PostgreSQL cannot store. Raises `HTTPBadRequest`."""
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise web.HTTPBadRequest(reason="The form contains invalid characters.")
    return text


async def read_form(request: web.Request, visit: Visit, page: PanelPage) -> None:
    """Parse the form, and refuse one that no page of the panel sent. Raises `ForbiddenError`."""
    if from_elsewhere(request):
        raise ForbiddenError("This request came from another site, so nothing was changed.")
    if (request.content_length or 0) > page.max_bytes:
        raise web.HTTPRequestEntityTooLarge(page.max_bytes, request.content_length or 0)
    sized = request.clone(client_max_size=page.max_bytes)
    try:
        posted = await sized.post()
    except (ValueError, LookupError):
        raise web.HTTPBadRequest(reason="The request is not a valid form.") from None
    visit.files = {
        name: value for name, value in posted.items() if isinstance(value, web.FileField)
    }
    texts = MultiDict((name, clean(text)) for name, text in posted.items() if isinstance(text, str))
    visit.posted = MultiDictProxy(texts)
    if visit.session is None:
        return
    given: str = request.headers.get("X-CSRF-Token") or texts.get("csrf") or ""
    if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), visit.csrf.encode()):
        raise ForbiddenError(
            "This form has expired, so nothing was changed. Reload the page and try again."
        )


async def error_page(visit: Visit, status: int, text: str, code: str = "") -> web.Response:
    """The page of an error. For a part that htmx fetches, a notice instead."""
    values = {"title": HTTPStatus(status).phrase, "text": text, "code": code}
    if visit.partial:
        response = await visit.show("error_part.html", status, **values)
        response.headers["HX-Retarget"] = "#notices"
        response.headers["HX-Reswap"] = "innerHTML"
        return response
    return await visit.show("error.html", status, **values)


async def explained(visit: Visit, work: Awaitable[web.StreamResponse]) -> web.StreamResponse:
    """Turn every exception of a page into a page."""
    try:
        return await work
    except web.HTTPException as exc:
        if exc.status < 400:
            raise
        texts = {413: "The form is too large.", 404: "This page does not exist."}
        return await error_page(visit, exc.status, texts.get(exc.status, exc.reason))
    except CallgateError as exc:
        return await error_page(visit, exc.status, exc.message, exc.code)
    except InputError as exc:
        return await error_page(visit, exc.status, exc.detail, exc.code)
    except CONFLICTS:
        text = "A concurrent change interfered. Try again."
        return await error_page(visit, 503, text, "unavailable")
    except UNAVAILABLE as exc:
        if visit.request.transport is None:
            # The client is gone, with its form half sent: a flood of these must cost neither a page
            # nor a line of the log each.
            return web.Response(status=400)
        log.warning("page.unavailable", path=visit.request.path, error=type(exc).__name__)
        text = "The database does not respond. Calls are still decided. Try again in a moment."
        return await error_page(visit, 503, text, "unavailable")
    except Exception:
        log.exception("page.failed", method=visit.request.method)
        text = "An internal error occurred. The log of the service has its details."
        return await error_page(visit, 500, text, "internal_error")


def guarded(page: PanelPage, sessions: SessionReader) -> Handler:
    """A handler that checks session and role before the page reads anything."""

    async def serve(visit: Visit) -> web.StreamResponse:
        request = visit.request
        token = request.cookies.get(COOKIE, "")
        if token:
            visit.session = await sessions.find(token)
            visit.token = token if visit.session else ""
            if visit.session is not None:
                request[SIGNED_IN] = True
        if visit.session is None and page.needs is not None:
            address = sign_in_address(request)
            if "HX-Request" in request.headers:
                return web.Response(headers={"HX-Redirect": address})
            return web.Response(status=303, headers={"Location": address})
        if request.method not in SAFE:
            await read_form(request, visit, page)
        if page.needs is not None and not visit.may(page.needs):
            raise ForbiddenError(
                f"The role {visit.actor.role} cannot do this. It takes the role {page.needs}."
            )
        with without_allowance() if page.is_long else nullcontext():
            return await page.run(visit)

    async def handle(request: web.Request) -> web.StreamResponse:
        visit = Visit(request, sessions)
        try:
            with waiting_at_most(REQUEST_SECONDS):
                response = await explained(visit, serve(visit))
        finally:
            for given in visit.files.values():
                given.file.close()
        if not response.prepared:
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
        return response

    return handle
