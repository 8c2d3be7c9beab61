"""The client address behind a proxy, and that clients cannot forge theirs."""

import ipaddress

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from service.web.panel.kit.proxies import address_of, behind

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.7, 10.9.9.9", "198.51.100.7"),
        ("2001:db8::1", "198.51.100.7", "198.51.100.7"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "no address", "no address"),
        ("", "198.51.100.7", ""),
    ],
)
def test_the_nearest_address_that_is_no_proxys(remote: str, forwarded: str, address: str) -> None:
    assert address_of(remote, forwarded, TRUSTED) == address


@pytest.mark.parametrize(("proxies", "found"), [(("127.0.0.1",), "192.0.2.9"), ((), "127.0.0.1")])
async def test_only_proxies_that_are_named_are_believed(
    proxies: tuple[str, ...], found: str
) -> None:
    async def show(request: web.Request) -> web.Response:
        return web.Response(text=request.remote)

    app = web.Application(middlewares=[behind(proxies)])
    app.router.add_get("/", show)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        headers = {"X-Forwarded-For": "203.0.113.1, 192.0.2.9"}
        async with session.get(server.make_url("/"), headers=headers) as response:
            assert await response.text() == found
