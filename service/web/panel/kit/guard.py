"""Around every page: who it is, whether the request is meant, and no error without a way on."""

import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote, urlsplit

import structlog
from aiohttp import web
from multidict import MultiDict, MultiDictProxy

from service.domain.errors import CallgateError, ForbiddenError
from service.domain.people import Session
from service.store.pool import CONFLICTS, UNAVAILABLE
from service.web.panel.kit.pages import PanelPage
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
    # Forms of our own pages carry where they come from; nobody else hears of it.
    "Referrer-Policy": "same-origin",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger()


class SessionReader(Notices, Protocol):
    """Who is signed in."""

    async def find(self, token: str) -> Session | None: ...


def from_elsewhere(request: web.Request) -> bool:
    """Whether another site made the browser send this. Browsers say so in `Sec-Fetch-Site`; older ones
    name the origin. What says neither is no browser, and has no cookie that somebody else could use."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.host


def sign_in_address(request: web.Request) -> str:
    """Where to sign in, and to come back from there to what was asked for."""
    if request.method not in SAFE or "HX-Request" in request.headers:
        return f"{ROOT}/sign-in"
    return f"{ROOT}/sign-in?next={quote(str(request.rel_url), safe='')}"


def clean(text: str) -> str:
    """A text as PostgreSQL can keep it. Raises `HTTPBadRequest` for what no keyboard makes."""
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise web.HTTPBadRequest(reason="The form has characters that are none.")
    return text


async def read_form(request: web.Request, visit: Visit, page: PanelPage) -> None:
    """Read what was posted, and refuse what our own pages did not send. Raises `ForbiddenError`."""
    if from_elsewhere(request):
        raise ForbiddenError("This request came from another site, so nothing was done.")
    if (request.content_length or 0) > page.max_bytes:
        raise web.HTTPRequestEntityTooLarge(page.max_bytes, request.content_length or 0)
    sized = request.clone(client_max_size=page.max_bytes)
    try:
        posted = await sized.post()
    except (ValueError, LookupError):
        raise web.HTTPBadRequest(reason="What was sent cannot be read as a form.") from None
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
            "This form is no longer valid, so nothing was done. Load the page again and repeat it."
        )


async def error_page(visit: Visit, status: int, text: str, code: str = "") -> web.Response:
    """What went wrong, and what to do. Parts that htmx asked for are retargeted to the notices."""
    values = {"title": HTTPStatus(status).phrase, "text": text, "code": code}
    if visit.partial:
        response = await visit.show("error_part.html", status, **values)
        response.headers["HX-Retarget"] = "#notices"
        response.headers["HX-Reswap"] = "innerHTML"
        return response
    return await visit.show("error.html", status, **values)


async def explained(visit: Visit, work: Awaitable[web.StreamResponse]) -> web.StreamResponse:
    """Turn whatever a page raises into a page."""
    try:
        return await work
    except web.HTTPException as exc:
        if exc.status < 400:
            raise
        texts = {413: "What was sent is too large.", 404: "There is no such page."}
        return await error_page(visit, exc.status, texts.get(exc.status, exc.reason))
    except CallgateError as exc:
        return await error_page(visit, exc.status, exc.message, exc.code)
    except InputError as exc:
        return await error_page(visit, exc.status, exc.detail, exc.code)
    except CONFLICTS:
        text = "Two changes got in each other's way. Try again."
        return await error_page(visit, 503, text, "unavailable")
    except UNAVAILABLE as exc:
        log.warning("page.unavailable", path=visit.request.path, error=type(exc).__name__)
        text = "The database does not answer. Calls are still decided; try again in a moment."
        return await error_page(visit, 503, text, "unavailable")
    except Exception:
        log.exception("page.failed", method=visit.request.method)
        text = "Something went wrong here. It is in the log of the service."
        return await error_page(visit, 500, text, "internal_error")


def guarded(page: PanelPage, sessions: SessionReader) -> Handler:
    """A handler that knows who asks, and whether they may, before the page reads anything."""

    async def serve(visit: Visit) -> web.StreamResponse:
        request = visit.request
        token = request.cookies.get(COOKIE, "")
        if token:
            visit.session = await sessions.find(token)
            visit.token = token if visit.session else ""
        if visit.session is None and page.needs is not None:
            address = sign_in_address(request)
            if "HX-Request" in request.headers:
                return web.Response(headers={"HX-Redirect": address})
            return web.Response(status=303, headers={"Location": address})
        if request.method not in SAFE:
            await read_form(request, visit, page)
        if page.needs is not None and not visit.may(page.needs):
            raise ForbiddenError(f"The role {visit.actor.role} may not do this; {page.needs} may.")
        return await page.run(visit)

    async def handle(request: web.Request) -> web.StreamResponse:
        visit = Visit(request, sessions)
        try:
            response = await explained(visit, serve(visit))
        finally:
            for given in visit.files.values():
                given.file.close()
        if not response.prepared:
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
        return response

    return handle
