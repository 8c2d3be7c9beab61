"""A repair plan in a real browser: numbers changed at Vapi; review the plan, apply it."""

from typing import Any

from playwright.async_api import expect

from service.sandbox.server import SandboxVapi
from tests.support.browser import OpenPage, in_a_browser
from tests.support.service import Replica

pytestmark = in_a_browser


async def test_a_plan_is_reviewed_and_applied(
    open_page: OpenPage, callgate: Replica, vapi: SandboxVapi
) -> None:
    organization = await callgate.add_organization("Bakery")
    ids = vapi.add_numbers(3)
    for vapi_id in ids:
        await callgate.add_number(organization, vapi_id, label=f"Line {vapi_id[:4]}")
    for vapi_id in ids:
        vapi.edit_number(vapi_id, server={"url": "https://somebody.example.com/vapi"})
    page = await open_page("admin", "/repairs")
    await page.get_by_role("button", name="Start a dry run").click()
    await expect(page.get_by_text("https://somebody.example.com/vapi").first).to_be_visible()
    await page.get_by_role("button", name="Repair 3 numbers").click()
    await expect(page.get_by_text("3 of 3 numbers repaired.")).to_be_visible()

    def urls() -> set[Any]:
        return {(vapi.numbers.find(vapi_id) or {})["server"]["url"] for vapi_id in ids}

    assert urls() == {f"{callgate.url}/api/vapi/webhook"}
