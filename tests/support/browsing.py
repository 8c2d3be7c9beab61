"""A browser's requests without a browser: the panel over real HTTP, redirects and cookies left alone."""

from collections.abc import Mapping
from http.cookies import SimpleCookie

import aiohttp

from service.web.panel.kit.guard import COOKIE
from service.web.panel.kit.visit import csrf_of
from tests.support.api import ApiClient
from tests.support.people import PASSWORD
from tests.support.replies import Reply

Fields = Mapping[str, str]


async def ask(
    api: ApiClient,
    method: str,
    path: str,
    fields: Fields | None = None,
    *,
    cookies: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """One request as a page of ours makes it; `path` is below /admin, or a whole address."""
    sent = {"Sec-Fetch-Site": "same-origin", **(headers or {})}
    if cookies:
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        async with session.request(
            method,
            path if path.startswith("http") else f"{api.base_url}/admin{path}",
            data=fields,
            headers=sent,
            allow_redirects=False,
        ) as response:
            return await Reply.read(response)


def cookies_of(reply: Reply) -> SimpleCookie:
    """The cookies that an answer sets."""
    found = SimpleCookie()
    for line in reply.headers.getall("Set-Cookie", []):
        found.load(line)
    return found


async def enter(api: ApiClient, name: str = "Ada", password: str = PASSWORD) -> str:
    """Sign in with the form; returns the cookie's value."""
    reply = await ask(api, "POST", "/sign-in", {"name": name, "password": password})
    assert reply.status == 303, reply.body
    return cookies_of(reply)[COOKIE].value


async def submit(api: ApiClient, token: str, path: str, **fields: str) -> Reply:
    """A form of ours, posted by a signed-in admin."""
    given = {"csrf": csrf_of(token), **fields}
    return await ask(api, "POST", path, given, cookies={COOKIE: token})


async def see(api: ApiClient, token: str, path: str) -> str:
    """A page that has to be there."""
    reply = await ask(api, "GET", path, cookies={COOKIE: token})
    assert reply.status == 200, reply.body
    return reply.body.decode()
