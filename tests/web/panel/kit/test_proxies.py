"""The client address behind a proxy, and that clients cannot forge theirs."""

import ipaddress

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from service.admin.people.reach import PanelReach
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
        ("10.0.0.1", "no address", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7, unknown, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.7:5678", "198.51.100.7"),
        ("10.0.0.1", "[2001:db9::1]:443, 10.0.0.9:80", "2001:db9::1"),
        ("10.0.0.1", "[2001:db9::1]", "2001:db9::1"),
        ("10.0.0.1", "2001:DB9::1", "2001:db9::1"),
        ("10.0.0.1", "1.1.1.1:x:y", "10.0.0.1"),
        ("", "198.51.100.7", ""),
    ],
)
def test_the_nearest_address_that_is_no_proxys(remote: str, forwarded: str, address: str) -> None:
    assert address_of(remote, [part for part in forwarded.split(",") if part], TRUSTED) == address


XFF = {"X-Forwarded-For": "203.0.113.1, 192.0.2.9:4711"}
FORWARDED = {"Forwarded": 'for=203.0.113.1, for="[2001:db9::7]:443";proto=https'}


@pytest.mark.parametrize(
    ("proxies", "headers", "found"),
    [
        (("127.0.0.1",), XFF, "192.0.2.9"),
        (("127.0.0.1",), FORWARDED, "2001:db9::7"),
        (("127.0.0.1",), XFF | FORWARDED, "127.0.0.1"),
        (("127.0.0.1",), XFF | {"Forwarded": "for=192.0.2.9"}, "192.0.2.9"),
        (("127.0.0.1",), {"Forwarded": "for=_hidden"}, "127.0.0.1"),
        (("127.0.0.1",), {"Forwarded": "nonsense,,=;"}, "127.0.0.1"),
        ((), XFF, "127.0.0.1"),
        (("10.0.0.0/8",), FORWARDED, "127.0.0.1"),
    ],
)
async def test_only_proxies_that_are_named_are_believed(
    proxies: tuple[str, ...], headers: dict[str, str], found: str
) -> None:
    reach = PanelReach()

    async def show(request: web.Request) -> web.Response:
        return web.Response(text=request.remote)

    app = web.Application(middlewares=[behind(proxies, reach)])
    app.router.add_get("/", show)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        async with session.get(server.make_url("/"), headers=headers) as response:
            assert await response.text() == found
    kinds = [one.kind for one in reach.read()]
    assert kinds == ([] if "127.0.0.1" in proxies else ["proxy_not_trusted"])
