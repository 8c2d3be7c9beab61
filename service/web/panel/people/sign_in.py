"""Signing in and out, creating the first admin, and signing in through the sign-in provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from service.admin.people.known_browsers import KNOWN_FOR, KnownBrowsers
from service.admin.people.people import People
from service.admin.people.sessions import Sessions
from service.admin.people.sign_in import SignIn
from service.admin.people.throttle import network_of
from service.domain.errors import ConflictError, InvalidError, UnavailableError
from service.domain.people import LONGEST, SignInRefusedError, TooManyAttemptsError
from service.web.panel.kit.guard import COOKIE
from service.web.panel.kit.pages import PanelPage
from service.web.panel.kit.proxies import SIGNED_IN
from service.web.panel.kit.public import public_address
from service.web.panel.kit.visit import ROOT, Visit

if TYPE_CHECKING:
    from service.admin.people.oidc import Oidc

BINDING = "callgate_sign_in"
BINDING_SECONDS = 600
BROWSER = "callgate_browser"
"""The cookie by which a browser is known."""
MAX_FORM_BYTES = 8 * 1024
"""Of forms that no session proves: the contract's limit."""

CODE_IN_SETTING = "The value of CALLGATE_ADMIN_TOKEN."
CODE_IN_LOG = (
    "The code in the address that callgate serve prints (Set up:). Every start prints a new code."
)
BACK = f"{ROOT}/sign-in/provider/back"


def way_on(text: str) -> str:
    """The page to show after signing in. It is always a page of the panel."""
    is_ours = text == ROOT or text.startswith((f"{ROOT}/", f"{ROOT}?"))
    is_entrance = text.startswith((f"{ROOT}/sign-", f"{ROOT}/setup"))
    if not is_ours or is_entrance or not text.isprintable() or "\\" in text or len(text) > 2000:
        return ROOT
    return text


def browser_of(visit: Visit) -> str:
    """The cookie by which the browser is known; "" without one."""
    return visit.request.cookies.get(BROWSER, "")


def set_cookie(
    visit: Visit, response: web.Response, name: str, value: str, seconds: float
) -> web.Response:
    """Set a cookie that scripts cannot read and other sites cannot send."""
    response.set_cookie(
        name,
        value,
        max_age=round(seconds),
        path=ROOT,
        httponly=True,
        samesite="Lax",
        secure=public_address(visit.request).is_secure(visit.request),
    )
    return response


@dataclass(frozen=True, slots=True)
class SignInPages:
    """The pages that need no session."""

    signing_in: SignIn
    people: People
    sessions: Sessions
    oidc: "Oidc | None"
    browsers: KnownBrowsers

    def pages(self) -> list[PanelPage]:
        return [
            PanelPage("GET", "/sign-in", self.show, needs=None),
            PanelPage("POST", "/sign-in", self.sign_in, needs=None, max_bytes=MAX_FORM_BYTES),
            PanelPage("GET", "/sign-in/provider", self.to_provider, needs=None),
            PanelPage("GET", "/sign-in/provider/back", self.from_provider, needs=None),
            PanelPage("GET", "/setup", self.show_setup, needs=None),
            PanelPage("POST", "/setup", self.set_up, needs=None, max_bytes=MAX_FORM_BYTES),
            PanelPage("POST", "/sign-out", self.sign_out),
        ]

    async def form(
        self, visit: Visit, way: str, status: int = 200, fault: str = "", name: str = ""
    ) -> web.Response:
        """The page with name and password."""
        return await visit.show(
            "people/sign_in.html",
            status,
            values={"name": name},
            faults={"": fault} if fault else {},
            way=way,
            provider=self.oidc.name if self.oidc else None,
            plain=public_address(visit.request).looks_plain(visit.request),
        )

    async def show(self, visit: Visit) -> web.Response:
        way = way_on(visit.asked("next"))
        if visit.session is not None:
            return await visit.go(way)
        if self.oidc is None and await self.people.is_first_run():
            return await visit.go(f"{ROOT}/setup")
        return await self.form(visit, way)

    async def sign_in(self, visit: Visit) -> web.Response:
        form = await visit.form()
        way, name = way_on(form.get("next", "")), form.get("name", "")
        try:
            token = await self.signing_in.sign_in(
                name, form.get("password", ""), visit.client, browser=browser_of(visit)
            )
        except SignInRefusedError as exc:
            return await self.form(visit, way, 403, exc.message, name[:200])
        except TooManyAttemptsError as exc:
            response = await self.form(visit, way, 429, exc.message, name[:200])
            response.headers["Retry-After"] = str(exc.retry_after)
            return response
        return await self.begin(visit, token, way)

    async def begin(self, visit: Visit, token: str, way: str) -> web.Response:
        """Continue with a new session; the previous one of this browser ends."""
        if visit.session is not None:
            await self.sessions.end(visit.session, visit.actor)
        response = await visit.go(way)
        begun = await self.sessions.find(token)
        if begun is not None:
            visit.request[SIGNED_IN] = True
            browser = await self.browsers.remember(browser_of(visit), begun.admin_id)
            set_cookie(visit, response, BROWSER, browser, KNOWN_FOR.total_seconds())
        return set_cookie(visit, response, COOKIE, token, LONGEST.total_seconds())

    async def sign_out(self, visit: Visit) -> web.Response:
        assert visit.session is not None
        await self.sessions.end(visit.session, visit.actor)
        visit.session, visit.token = None, ""
        response = await visit.go(f"{ROOT}/sign-in")
        response.del_cookie(COOKIE, path=ROOT, httponly=True, samesite="Lax")
        return response

    async def setup_form(
        self,
        visit: Visit,
        status: int = 200,
        values: Mapping[str, Any] | None = None,
        faults: Mapping[str, str] | None = None,
    ) -> web.Response:
        return await visit.show(
            "people/setup.html",
            status,
            values=values or {},
            faults=faults or {},
            code_hint=CODE_IN_SETTING if self.people.setup_token else CODE_IN_LOG,
            plain=public_address(visit.request).looks_plain(visit.request),
        )

    async def show_setup(self, visit: Visit) -> web.Response:
        if not await self.people.is_first_run():
            return await visit.go(f"{ROOT}/sign-in")
        return await self.setup_form(visit, values={"code": visit.asked("code")[:300]})

    async def set_up(self, visit: Visit) -> web.Response:
        form = await visit.form()
        values = {"name": form.get("name", "")[:200], "code": form.get("code", "").strip()[:300]}
        password = form.get("password", "")
        if password != form.get("again", ""):
            faults = {"again": "The passwords do not match."}
            return await self.setup_form(visit, 422, values, faults)
        try:
            token = await self.people.create_first(
                name=values["name"], password=password, code=values["code"], client=visit.client
            )
        except TooManyAttemptsError as exc:
            response = await self.setup_form(visit, 429, values, {"": exc.message})
            response.headers["Retry-After"] = str(exc.retry_after)
            return response
        except (InvalidError, SignInRefusedError) as exc:
            status = 422 if isinstance(exc, InvalidError) else 403
            faults = {str(exc.facts.get("field", "")): exc.message}
            return await self.setup_form(visit, status, values, faults)
        except ConflictError as exc:
            return await self.form(visit, ROOT, 409, exc.message)
        return await self.begin(visit, token, ROOT)

    def address_back(self, visit: Visit) -> str:
        """The address to which the provider sends the browser back."""
        return f"{public_address(visit.request).base(visit.request)}{BACK}"

    async def to_provider(self, visit: Visit) -> web.Response:
        if self.oidc is None:
            raise web.HTTPNotFound
        way = way_on(visit.asked("next"))
        try:
            begun = await self.oidc.begin(
                redirect_uri=self.address_back(visit),
                return_to=way,
                network=network_of(visit.client.address),
                is_known=await self.browsers.is_known(browser_of(visit)),
            )
        except UnavailableError as exc:
            return await self.form(visit, way, 503, exc.message)
        response = web.Response(status=303, headers={"Location": begun.address})
        return set_cookie(visit, response, BINDING, begun.binding, BINDING_SECONDS)

    async def from_provider(self, visit: Visit) -> web.Response:
        if self.oidc is None:
            raise web.HTTPNotFound
        try:
            finished = await self.oidc.finish(
                state=visit.asked("state"),
                code=visit.asked("code"),
                binding=visit.request.cookies.get(BINDING, ""),
                redirect_uri=self.address_back(visit),
                client=visit.client,
            )
        except UnavailableError as exc:
            response = await self.form(visit, ROOT, 503, exc.message)
        except (SignInRefusedError, ConflictError) as exc:
            status = 409 if isinstance(exc, ConflictError) else 403
            response = await self.form(visit, ROOT, status, exc.message)
        else:
            response = await self.begin(visit, finished.token, way_on(finished.return_to))
        response.del_cookie(BINDING, path=ROOT, httponly=True, samesite="Lax")
        return response
