"""A person with a browser's manners but no script: signed in to the panel, over real HTTP."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape

import aiohttp

from service.domain.people import Role
from service.web.panel.kit.guard import COOKIE
from service.web.panel.kit.visit import csrf_of
from tests.support.people import add_admin, sign_in
from tests.support.service import Replica

INNER = re.compile(r"<table.*?</table>", re.DOTALL)
ROW = re.compile(r"<tr[ >]")


@dataclass(frozen=True)
class Shown:
    """A page, read."""

    status: int
    url: str
    body: str
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        """What people read: no tags, one space where there are several."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.body)).split())

    @property
    def forms(self) -> list[str]:
        """Where the forms in the content that change something lead to."""
        content = self.body.partition("<main")[2]
        found = re.findall(r'<form\b[^>]*\bmethod="post"[^>]*>', content)
        return [next(iter(re.findall(r'action="([^"]*)"', form)), "") for form in found]

    @property
    def links(self) -> list[str]:
        return [unescape(link) for link in re.findall(r'href="([^"]*)"', self.body)]


@dataclass(frozen=True)
class Visitor:
    """One person's session. Redirects are followed, as browsers do."""

    session: aiohttp.ClientSession
    base_url: str
    token: str

    async def get(self, path: str, *, htmx: bool = False) -> Shown:
        return await self.ask("GET", path, headers={"HX-Request": "true"} if htmx else {})

    async def post(
        self, path: str, fields: Mapping[str, str] | None = None, *, csrf: str | None = None
    ) -> Shown:
        """A form of ours; `csrf` instead of the right one."""
        given = csrf_of(self.token) if csrf is None else csrf
        return await self.ask("POST", path, data={"csrf": given, **(fields or {})})

    async def ask(
        self,
        method: str,
        path: str,
        *,
        data: Mapping[str, str] | aiohttp.FormData | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Shown:
        cookie = {"Cookie": f"{COOKIE}={self.token}"} if self.token else {}
        async with self.session.request(
            method,
            f"{self.base_url}/admin{path}",
            data=data,
            headers={**cookie, "Sec-Fetch-Site": "same-origin", **(headers or {})},
        ) as response:
            body = await response.text()
            path = response.url.path_qs.removeprefix("/admin")
            return Shown(response.status, path, body, response.headers.copy())


@asynccontextmanager
async def visiting(
    callgate: Replica, role: Role = "admin", name: str = "Ada"
) -> AsyncIterator[Visitor]:
    """A new admin with this role, signed in."""
    pool = callgate.service.pool
    await add_admin(pool, name, role)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Visitor(session, callgate.url, await sign_in(pool, name))


async def rows_of(ada: Visitor, path: str) -> int:
    """How many rows a list has over all its pages."""
    found, place = 0, path.replace("&amp;", "&")
    while True:
        shown: Shown = await ada.get(place)
        assert shown.status == 200, (place, shown.text)
        # An entry of the audit holds a table of its own.
        body = INNER.sub("", shown.body.partition('<tbody id="rows"')[2])
        found += len(ROW.findall(body.partition("</tbody>")[0]))
        more = re.search(r'id="more"[^>]*><a[^>]*href="/admin([^"]+)"', shown.body)
        if more is None:
            return found
        place = more[1].replace("&amp;", "&")
