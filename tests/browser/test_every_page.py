"""Every page in a real browser, light and dark, wide and on a phone: accessible and not cut off."""

from importlib.resources import files

import pytest
from playwright.async_api import Browser

from service.sandbox.server import SandboxVapi
from service.web.panel.kit.guard import COOKIE
from tests.support.browser import PAGES, OpenPage, in_a_browser
from tests.support.service import Replica
from tests.support.visiting import visiting

pytestmark = in_a_browser

AXE = files("axe_playwright_python") / "axe.min.js"
SERIOUS = """async () => (await axe.run()).violations
    .filter(found => ["serious", "critical"].includes(found.impact))
    .map(found => [found.id, found.nodes.length, found.nodes[0].html])"""
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
async def test_pages_are_accessible_and_fit(
    callgate: Replica, vapi: SandboxVapi, browser: Browser, scheme: str, width: int
) -> None:
    organization = await callgate.add_organization("A bakery with quite a long name & “signs”")
    number = await callgate.add_number(organization, vapi.add_numbers(1)[0], label="Front desk")
    body = {"kind": "organizations", "csv": "name,plan\nA florist,\nA dentist,pro\n"}
    made = (await callgate.api("POST", "/imports", body)).json["id"]
    axe = AXE.read_text()
    async with visiting(callgate) as ada:
        context = await browser.new_context(
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": width, "height": 800},
            # Pages are judged as they stay: half-way through a transition colours lack contrast.
            reduced_motion="reduce",
            bypass_csp=True,
        )
        await context.add_cookies([{"name": COOKIE, "value": ada.token, "url": ada.base_url}])
        page = await context.new_page()
        for path in (
            *PAGES,
            f"/organizations/{organization}",
            f"/organizations/{organization}/relay",
            f"/organizations/{organization}/what-if?plan=active",
            f"/organizations/import/{made}",
            f"/numbers/{number['id']}",
        ):
            await page.goto(f"{ada.base_url}/admin{path}")
            await page.evaluate(axe)
            assert await page.evaluate(SERIOUS) == [], path
            assert await page.evaluate(TOO_WIDE) <= 0, path
        await context.close()


async def test_the_first_page_is_light(callgate: Replica, browser: Browser) -> None:
    """What a browser that was never here fetches: under 100 kB, and nothing from elsewhere."""
    async with visiting(callgate) as ada:
        context = await browser.new_context()
        await context.add_cookies([{"name": COOKIE, "value": ada.token, "url": ada.base_url}])
        page = await context.new_page()
        fetched: list[str] = []
        page.on("request", lambda request: fetched.append(request.url))
        await page.goto(f"{ada.base_url}/admin")
        sizes = await page.evaluate(
            "() => performance.getEntries().map(entry => entry.transferSize || 0)"
        )
        assert 10_000 < sum(sizes) < 100_000
        assert all(url.startswith(ada.base_url) for url in fetched)
        await context.close()


async def test_keys_lead_everywhere(open_page: OpenPage) -> None:
    page = await open_page("viewer", "")
    for key, place in (("o", "organizations"), ("c", "calls"), ("s", "health"), ("h", "")):
        await page.keyboard.press("g")
        await page.keyboard.press(key)
        await page.wait_for_url(f"**/admin{'/' + place if place else ''}")
    await page.keyboard.press("?")
    assert await page.get_by_role("dialog", name="Keyboard").is_visible()
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Theme").click()
    assert await page.locator("html").get_attribute("data-theme") == "light"
    await page.reload()
    assert await page.locator("html").get_attribute("data-theme") == "light"
