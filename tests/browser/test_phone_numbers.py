"""What an admin does about numbers, in a real browser: pick one at Vapi, add it, see it in sync."""

from playwright.async_api import expect

from service.sandbox.server import SandboxVapi
from tests.support.browser import OpenPage, in_a_browser
from tests.support.service import Replica

pytestmark = in_a_browser


async def test_a_number_is_added_and_gets_in_sync(
    open_page: OpenPage, callgate: Replica, vapi: SandboxVapi
) -> None:
    vapi_id = vapi.add_numbers(1, server={"url": "https://old.example.com/vapi"})[0]
    await callgate.add_organization("Bakery")
    page = await open_page("admin", "/numbers")
    await page.get_by_role("button", name="Add your first number").click()
    await page.keyboard.press("/")
    await page.keyboard.type("bake")
    await page.get_by_role("link", name="Bakery").click()
    await page.locator("#choices a").first.click()
    await expect(page.get_by_text("https://old.example.com/vapi")).to_be_visible()
    await page.get_by_label("Label").fill("Front desk")
    await page.get_by_role("button", name="Add number").click()
    await expect(page.get_by_text("The webhook at Vapi is in sync.")).to_be_visible()
    await expect(page.get_by_text("Reaches Callgate")).to_be_visible()
    assert (vapi.numbers.find(vapi_id) or {})["server"]["url"].startswith(callgate.url)
    await page.keyboard.press("g")
    await page.keyboard.press("n")
    await expect(page.get_by_text("Front desk")).to_be_visible()
