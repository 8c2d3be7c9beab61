"""A person at the panel or the API has an answer within three seconds, however PostgreSQL is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from service.sandbox.server import SandboxVapi
from service.store.pool import Pool
from service.store.roles import app_dsn
from service.web.panel.kit.guard import COOKIE
from tests.support.api import ApiClient, serving
from tests.support.browsing import ask, enter, submit
from tests.support.people import add_admin
from tests.support.replies import Reply
from tests.support.settings import settings_for
from tests.support.tcp_proxy import TcpProxy, proxied

SLOWEST_ANSWER = 4.0
"""Three seconds, and one for a loaded machine. A statement alone may take ten."""
AT_ONCE = 12
"""More than the pool has connections: the others wait for one."""
POOL = 4
AWAY = "The database does not respond."

Outage = Literal["stalled", "half-open", "refused"]
OUTAGES: tuple[Outage, ...] = ("stalled", "half-open", "refused")


@dataclass(frozen=True)
class Office:
    """The panel and the API behind a way to PostgreSQL that can be harmed."""

    api: ApiClient
    way: TcpProxy
    organization_id: str
    token: str

    @contextmanager
    def away(self, outage: Outage) -> Iterator[None]:
        """PostgreSQL is away: silent on every connection, on those that are open, or refusing all."""
        chosen = set(self.way.connections)
        match outage:
            case "stalled":
                context = self.way.fault("stall")
            case "half-open":
                context = self.way.fault("black_hole", lambda one: one in chosen)
            case "refused":
                context = self.way.fault("refuse")
        with context:
            if outage == "refused":
                self.way.cut()
            yield


@pytest.fixture
async def office(vapi: SandboxVapi, dsn: str, pool: Pool, tmp_path: Path) -> AsyncIterator[Office]:
    await add_admin(pool)
    async with proxied(app_dsn(dsn)) as way:
        settings = settings_for(tmp_path, vapi.base_url, callgate_pool_size=POOL)
        async with serving(settings, way.dsn) as api:
            made = await api.organization()
            yield Office(api, way, made["id"], await enter(api))
            way.cut()


async def timed(request: Awaitable[Reply]) -> tuple[Reply, float]:
    began = time.monotonic()
    reply = await request
    return reply, time.monotonic() - began


def api_requests(office: Office) -> list[Callable[[], Awaitable[Reply]]]:
    """Reads and changes of the API."""
    one = f"/organizations/{office.organization_id}"
    plan = {"code": "pro", "status": "active"}
    return [
        lambda: office.api.ask("GET", "/organizations"),
        lambda: office.api.ask("GET", "/calls"),
        lambda: office.api.ask("POST", "/organizations", {"name": "Bakery"}),
        lambda: office.api.ask("PUT", f"{one}/plan", plan),
    ]


def page_requests(office: Office) -> list[Callable[[], Awaitable[Reply]]]:
    """Pages and forms of the panel."""
    one = f"/organizations/{office.organization_id}"
    signed_in = {COOKIE: office.token}
    return [
        lambda: ask(office.api, "GET", "", cookies=signed_in),
        lambda: ask(office.api, "GET", one, cookies=signed_in),
        lambda: ask(office.api, "GET", "/organizations.csv", cookies=signed_in),
        lambda: submit(office.api, office.token, f"{one}/edit", name="Bakery"),
        lambda: ask(office.api, "POST", "/sign-in", {"name": "Ada", "password": "wrong"}),
    ]


@pytest.mark.parametrize("outage", OUTAGES)
async def test_the_api_says_in_time_that_the_database_is_away(
    office: Office, outage: Outage
) -> None:
    with office.away(outage):
        for request in api_requests(office):
            reply, seconds = await timed(request())
            if outage == "half-open" and reply.status < 300:
                continue  # on a new connection, in the place of one that was abandoned
            assert (reply.status, reply.code) == (503, "unavailable")
            assert int(reply.headers["Retry-After"]) > 0
            assert seconds < SLOWEST_ANSWER
    reply, seconds = await timed(office.api.ask("GET", "/organizations"))
    assert (reply.status, seconds < SLOWEST_ANSWER) == (200, True)


@pytest.mark.parametrize("outage", OUTAGES)
async def test_the_panel_shows_in_time_that_the_database_is_away(
    office: Office, outage: Outage
) -> None:
    with office.away(outage):
        for request in page_requests(office):
            reply, seconds = await timed(request())
            if outage == "half-open" and reply.status < 500:
                continue
            assert reply.status == 503
            assert AWAY in reply.body.decode()
            assert reply.headers["Content-Type"].startswith("text/html")
            assert seconds < SLOWEST_ANSWER
    reply, _ = await timed(ask(office.api, "GET", "", cookies={COOKIE: office.token}))
    assert reply.status == 200


@pytest.mark.parametrize("outage", ["stalled", "half-open"])
async def test_many_at_once_wait_no_longer(office: Office, outage: Outage) -> None:
    """More than there are connections; those that ask next find none either."""
    requests = [*api_requests(office), *page_requests(office)]
    with office.away(outage):
        for _ in range(2):
            asked = [timed(requests[one % len(requests)]()) for one in range(AT_ONCE)]
            for reply, seconds in await asyncio.gather(*asked):
                assert reply.status == 503 or (outage == "half-open" and reply.status < 500)
                assert seconds < SLOWEST_ANSWER
