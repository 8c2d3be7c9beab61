"""Calls in a real browser: a blocked one arrives live with its reason, and its page has its steps."""

from typing import Any

from playwright.async_api import expect

from service.sandbox.server import SandboxVapi
from tests.support.browser import OpenPage, in_a_browser
from tests.support.service import Replica

pytestmark = in_a_browser


async def block(callgate: Replica, vapi: SandboxVapi, name: str) -> None:
    owner = await callgate.add_organization(name)
    number = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number)
    message: Any = vapi.live_call(number)
    assert (await callgate.post(message)).status == 403


async def test_a_blocked_call_arrives_live_with_its_reason_and_has_a_story(
    callgate: Replica, vapi: SandboxVapi, open_page: OpenPage
) -> None:
    page = await open_page("viewer", "/calls")
    await expect(page.locator("[data-feed-state]")).to_contain_text("Live")
    await block(callgate, vapi, "Bakery")
    row = page.locator("tr[data-key]", has_text="Bakery")
    await expect(row).to_contain_text("Neither plan nor trial")
    await expect(row).to_contain_text("Hung up")
    await row.get_by_role("link").first.click()
    await expect(page.locator(".lead")).to_contain_text("was blocked at its first event")
    await expect(page.locator(".timeline")).to_contain_text("Vapi accepted hang-up command")
