"""The headers of every answer, of every route, and of what aiohttp answers itself."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from service.sandbox.server import SandboxVapi
from service.web.panel.kit.guard import COOKIE
from tests.support.api import ApiClient, serving
from tests.support.browsing import enter
from tests.support.people import add_admin
from tests.support.service import Replica
from tests.support.settings import SECRET, TOKEN, settings_for

CACHED = "public, max-age=31536000, immutable"


def routes_of(app: web.Application, root: str = "") -> Iterator[tuple[str, str]]:
    """Method and path of every route, with ids of nothing in them."""
    for resource in app.router.resources():
        if isinstance(resource, web.PrefixedSubAppResource):
            yield from routes_of(resource._app)
            continue
        path = re.sub(r"{audit_id}", "1", resource.canonical)
        path = re.sub(r"{\w+}", str(uuid4()), re.sub(r"{rest[^}]*}", "nothing", path))
        for route in resource:
            yield ("PUT" if route.method == "*" else route.method), path


def check(headers: Mapping[str, str], where: str) -> None:
    """What every answer carries."""
    found = dict(headers)
    assert found.get("X-Content-Type-Options") == "nosniff", where
    assert "default-src 'none'" in found.get("Content-Security-Policy", ""), where
    assert "frame-ancestors 'none'" in found["Content-Security-Policy"], where
    assert found.get("Cache-Control") == "no-store", where
    assert found.get("Server") == "callgate", where


async def ask(api: ApiClient, method: str, path: str, sent: dict[str, str]) -> int:
    url = URL(api.base_url + path, encoded=True)
    timeout = aiohttp.ClientTimeout(total=20)
    # A refused connection waits before its next request.
    headers = {**sent, "Connection": "close"}
    async with api.session.request(
        method, url, headers=headers, allow_redirects=False, timeout=timeout
    ) as answer:
        check(answer.headers, f"{method} {path} {answer.status}")
        return answer.status


async def test_every_route_answers_with_the_headers(
    dsn: str, vapi: SandboxVapi, tmp_path: Path
) -> None:
    async with serving(settings_for(tmp_path, vapi.base_url), dsn) as api:
        await add_admin(api.service.pool)
        cookie = f"{COOKIE}={await enter(api)}"
        site = api.service.web
        routes = {*routes_of(site.app), *routes_of(site.webhook_app)}
        assert len(routes) > 150
        statuses = set()
        for method, path in sorted(routes):
            statuses.add(await ask(api, method, path, {}))
            # A form without its mark changes nothing; a page of the panel is shown.
            if path != "/admin/sign-out":
                sent = {"Cookie": cookie, "Authorization": f"Bearer {TOKEN}"}
                statuses.add(await ask(api, method, path, sent))
        assert {200, 303, 401, 403, 404} <= statuses


async def test_what_is_refused_before_any_route_carries_them_too(callgate: Replica) -> None:
    base = callgate.url
    async with aiohttp.ClientSession() as session:
        for method, path, sent, status in (
            ("GET", "/nothing", {}, 404),
            ("DELETE", "/healthz", {}, 405),
            ("GET", "/healthz", {"Expect": "the-unexpected"}, 417),
            ("POST", "/api/vapi/webhook", {"Content-Length": str(2**40)}, 413),
            ("GET", "/admin/static/x/nothing.js", {}, 404),
            ("GET", "/api/docs/nothing", {}, 404),
        ):
            headers = {"X-Vapi-Secret": SECRET, **sent}
            async with session.request(method, base + path, headers=headers) as answer:
                assert answer.status == status, path
                check(answer.headers, path)


@pytest.mark.parametrize("sent", [b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nBad Header\r\n\r\n"])
async def test_a_malformed_request_is_answered_without_a_version(
    callgate: Replica, sent: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(callgate.url).port)
    writer.write(sent)
    answer = (await asyncio.wait_for(reader.read(), 5)).decode()
    writer.close()
    head = answer.partition("\r\n\r\n")[0]
    assert head.startswith(("HTTP/1.1 400", "HTTP/1.0 400"))
    lines = (line.partition(": ") for line in head.split("\r\n")[1:])
    check({name: value for name, _, value in lines}, "malformed")
    assert "aiohttp" not in head


async def test_files_under_their_hash_are_cached(callgate: Replica) -> None:
    async with callgate.session.get(f"{callgate.url}/admin/sign-in") as page:
        found = re.search(r"/admin/static/\w+/panel.css", await page.text())
    assert found is not None
    async with callgate.session.get(callgate.url + found[0]) as answer:
        assert answer.headers["Cache-Control"] == CACHED
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "callgate"
