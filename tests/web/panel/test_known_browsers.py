"""A browser in which an admin signed in is not slowed down by guesses from elsewhere."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.admin.people.people import People
from service.sandbox.server import SandboxVapi
from service.store.people import oidc_sign_ins
from service.store.people.oidc_sign_ins import PendingSignIn
from service.web.panel.people.sign_in import BROWSER
from tests.support.api import ApiClient, serving
from tests.support.browsing import ask, cookies_of, enter, submit
from tests.support.people import MAKER, PASSWORD, add_admin
from tests.support.replies import Reply
from tests.support.settings import settings_for

ADA = {"name": "Ada", "password": PASSWORD}
WRONG = {"name": "Ada", "password": "a wrong password"}


@pytest.fixture
async def api(dsn: str, vapi: SandboxVapi, tmp_path: Path) -> AsyncIterator[ApiClient]:
    async with serving(settings_for(tmp_path, vapi.base_url), dsn) as client:
        await add_admin(client.service.pool)
        yield client


async def guess_from_elsewhere(api: ApiClient, name: str = "Ada") -> None:
    """More failures of a name, and from this address, than are free."""
    await api.service.pool.execute(
        "INSERT INTO callgate.sign_in_failures (name_hash, address) "
        "SELECT sha256(convert_to($1, 'UTF8')), a FROM generate_series(1, 60), "
        "unnest(ARRAY['127.0.0.1', '203.0.113.9']) a",
        name.lower(),
    )


async def sign_in(api: ApiClient, fields: dict[str, str], browser: str = "") -> Reply:
    return await ask(api, "POST", "/sign-in", fields, cookies={BROWSER: browser})


async def test_guesses_from_elsewhere_do_not_lock_a_known_browser_out(api: ApiClient) -> None:
    first = cookies_of(await sign_in(api, ADA))[BROWSER]
    assert (first["path"], first["httponly"], first["samesite"]) == ("/admin", True, "Lax")
    assert first["max-age"] == str(180 * 24 * 3600)
    await guess_from_elsewhere(api)
    assert (await sign_in(api, ADA)).status == 429
    assert (await sign_in(api, ADA, "x" * 43)).status == 429
    again = await sign_in(api, ADA, first.value)
    assert (again.status, cookies_of(again)[BROWSER].value) == (303, first.value)


async def test_a_known_browser_may_not_guess(api: ApiClient) -> None:
    browser = cookies_of(await sign_in(api, ADA))[BROWSER].value
    statuses = [(await sign_in(api, WRONG, browser)).status for _ in range(6)]
    assert statuses == [403] * 5 + [429]
    assert (await sign_in(api, ADA, browser)).status == 429
    assert (await sign_in(api, ADA)).status == 303


async def test_a_browser_is_known_for_its_admin_alone(api: ApiClient) -> None:
    eve = await add_admin(api.service.pool, "Eve")
    browser = cookies_of(await sign_in(api, {**ADA, "name": "Eve"}))[BROWSER].value
    await guess_from_elsewhere(api)
    await guess_from_elsewhere(api, "Eve")
    assert (await sign_in(api, ADA, browser)).status == 429
    assert (await sign_in(api, {**ADA, "name": "Eve"}, browser)).status == 303
    await People(api.service.pool, "").set_password(MAKER, eve.id, PASSWORD + "!")
    other = {"name": "Eve", "password": PASSWORD + "!"}
    assert (await sign_in(api, other, browser)).status == 429


async def test_guesses_do_not_keep_a_signed_in_admin_from_a_new_password(api: ApiClient) -> None:
    token = await enter(api)
    await guess_from_elsewhere(api)
    new = PASSWORD + " new"
    fields = {"current": PASSWORD, "password": new, "again": new}
    assert (await submit(api, token, "/account/password", **fields)).status == 303
    for _ in range(5):
        assert (await submit(api, token, "/account/password", **fields)).status == 422
    assert (await submit(api, token, "/account/password", **fields)).status == 429


async def test_pending_sign_ins_are_bounded_and_known_browsers_go_last(
    api: ApiClient,
) -> None:
    pool, pending = api.service.pool, PendingSignIn("n", "v", "/admin")
    await oidc_sign_ins.insert(pool, b"known", b"b", pending, network="a", is_known=True)
    await oidc_sign_ins.insert(pool, b"other", b"b", pending, network="b")
    for number in range(25):
        await oidc_sign_ins.insert(pool, b"a%d" % number, b"b", pending, network="a")
    assert await pool.fetchval("SELECT count(*) FROM callgate.oidc_sign_ins") == 22
    for number in range(40):
        network = f"c{number}"
        await oidc_sign_ins.insert(pool, network.encode(), b"b", pending, network=network, most=30)
    assert await pool.fetchval("SELECT count(*) FROM callgate.oidc_sign_ins") == 30
    assert await oidc_sign_ins.consume(pool, b"other", b"b") is None
    assert await oidc_sign_ins.consume(pool, b"known", b"b") == pending
    assert await oidc_sign_ins.consume(pool, b"c39", b"b") == pending
