"""A client's server is parked, repaired and resumed, and gets its messages again, in a real browser."""

import asyncio
import re
from importlib.resources import files

import pytest
from playwright.async_api import Browser, Page, expect
from standardwebhooks import Webhook

from service.sandbox.server import SandboxVapi
from service.web.panel.kit.guard import COOKIE
from tests.support import relayed
from tests.support.browser import in_a_browser
from tests.support.own_servers import OwnServer, connect, report, shorten_pauses, start
from tests.support.service import Replica, Start, eventually
from tests.support.visiting import Visitor, visiting

pytestmark = in_a_browser

AXE = files("axe_playwright_python") / "axe.min.js"
SERIOUS = """async () => (await axe.run()).violations
    .map(found => [found.id, found.impact, found.nodes.length, found.nodes[0].html])"""
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
CALLS = 12


async def open_page(
    browser: Browser, ada: Visitor, width: int = 1280, scheme: str = "light"
) -> Page:
    context = await browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 800},
        reduced_motion="reduce",
        bypass_csp=True,
    )
    await context.add_cookies([{"name": COOKIE, "value": ada.token, "url": ada.base_url}])
    page = await context.new_page()
    page.set_default_timeout(10_000)
    return page


async def park(callgate: Replica, vapi: SandboxVapi, own: OwnServer) -> tuple[str, str]:
    """A client whose server failed until it was parked: the organization, and its number."""
    owner, number_id = await connect(callgate, vapi, own)
    for _ in range(CALLS):
        assert (await callgate.post(vapi.live_call(number_id))).status == 200

    async def is_parked() -> bool:
        status = await callgate.api("GET", f"/organizations/{owner}/relay")
        return bool(status.json["state"] == "parked" and status.json["waiting"] == CALLS)

    await eventually(is_parked, 60)
    return owner, number_id


async def until_taken(own: OwnServer, count: int) -> None:
    await eventually(lambda: asyncio.sleep(0, len(own.taken) >= count), 20)


async def test_a_parked_server_is_seen_resumed_and_gets_its_messages_again(
    start_replica: Start, vapi: SandboxVapi, browser: Browser
) -> None:
    callgate = await start(start_replica)
    shorten_pauses(callgate)
    own = OwnServer(answer=lambda _received: 503)
    async with own.running(), visiting(callgate) as ada:
        owner, number_id = await park(callgate, vapi, own)
        page = await open_page(browser, ada)
        await page.goto(f"{ada.base_url}/admin/organizations?relay=parked")
        await page.get_by_role("link", name="Bakery").click()
        card = page.locator("section", has=page.get_by_role("heading", name="Own server"))
        await expect(card).to_contain_text("Parked since")
        await expect(card).to_contain_text("It answered with status 503.")
        await card.get_by_role("link", name=str(CALLS)).first.click()
        rows = page.locator("#rows tr")
        await expect(rows).to_have_count(CALLS)
        await expect(page.locator("#total")).to_have_text(f"{CALLS} messages of this selection")
        # From a message to its call, and back to the call's messages.
        await rows.first.get_by_role("link").nth(1).click()
        await expect(page.locator("#story")).to_contain_text("1 waiting")
        await page.get_by_role("link", name="1 waiting").click()
        await expect(rows).to_have_count(1)
        # The server works again: resume, after a second click.
        own.answer = lambda _received: 200
        await page.get_by_text("Resume", exact=True).click()
        await page.get_by_role("button", name="Resume the relay").click()
        await expect(page.get_by_text("Resumed. Callgate tries all messages")).to_be_visible()
        await until_taken(own, CALLS)

        async def delivers() -> bool:
            await page.goto(f"{ada.base_url}/admin/organizations/{owner}/relay?state=delivered")
            return await rows.count() == CALLS

        await eventually(delivers, 10)
        await expect(page.get_by_text("Callgate passes the messages")).to_be_visible()
        # One message again.
        await rows.first.get_by_role("link").first.click()
        name = await page.locator("dd code").inner_text()
        await page.get_by_text("Replay this message").click()
        await page.get_by_role("button", name="Replay message").click()
        await expect(page.get_by_text("The message is delivered again")).to_be_visible()
        await until_taken(own, CALLS + 1)
        assert own.taken[-1].webhook_id == name
        # A period again.
        await page.goto(f"{ada.base_url}/admin/organizations/{owner}/relay")
        await page.get_by_role("button", name="Replay a period").click()

        async def counted() -> bool:
            await page.get_by_role("button", name="Check").click()
            return await page.get_by_role("button", name=f"Replay {CALLS} messages").count() == 1

        await eventually(counted, 10)
        await page.get_by_role("button", name=f"Replay {CALLS} messages").click()
        await expect(
            page.get_by_text(f"{CALLS} messages are delivered again as soon as")
        ).to_be_visible()
        await until_taken(own, 2 * CALLS + 1)
        # A secret, with which the server verifies the next message.
        await page.get_by_role("button", name="Signing secret").click()
        await page.get_by_role("button", name="Create secret").click()
        secret = await page.get_by_label(re.compile("Signing secret of")).input_value()
        await callgate.post(report(vapi.live_call(number_id), 1))
        await until_taken(own, 2 * CALLS + 2)
        last = own.taken[-1]
        Webhook(secret).verify(last.body, last.headers)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
async def test_the_relays_pages_are_accessible_and_fit(
    start_replica: Start, browser: Browser, scheme: str, width: int
) -> None:
    callgate = await start_replica()
    owner = await callgate.add_organization("Bakery", forward_url="https://bakery.example.com/hook")
    pool = callgate.service.pool
    await relayed.park(pool, owner)
    error = "It answered with status 503."
    await relayed.add_messages(pool, owner, 20, call="a-call", attempts=3, error=error)
    await relayed.add_messages(pool, owner, 3, call="a-call", outcome="delivered", attempts=1)
    await relayed.add_messages(pool, owner, 2, call="a-call", outcome="dropped")
    message = await pool.fetchval("SELECT max(id) FROM callgate.relay_messages WHERE attempts = 1")
    async with visiting(callgate) as ada:
        page = await open_page(browser, ada, width, scheme)
        one = f"/organizations/{owner}"
        for path in (
            one,
            f"{one}/relay",
            f"{one}/relay?state=expired",
            f"{one}/relay/messages/{message}",
            f"{one}/relay/replay?since=2026-01-01T00:00:00Z",
            f"{one}/relay/secret",
        ):
            await page.goto(f"{ada.base_url}/admin{path}")
            await page.evaluate(AXE.read_text())
            assert await page.evaluate(SERIOUS) == [], path
            assert await page.evaluate(TOO_WIDE) <= 0, path
