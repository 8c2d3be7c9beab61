"""Importing hundreds of numbers in a real browser: review the plan, apply it, see the outcome."""

from playwright.async_api import FilePayload, expect

from service.sandbox.server import SandboxVapi
from tests.support.browser import OpenPage, in_a_browser
from tests.support.service import Replica

pytestmark = in_a_browser


async def test_three_hundred_numbers_are_imported(
    open_page: OpenPage, callgate: Replica, vapi: SandboxVapi
) -> None:
    await callgate.add_organization("Bakery")
    rows = ["phone_number,organization,label,gate"]
    rows += [f"{vapi_id},Bakery,," for vapi_id in vapi.add_numbers(300)]
    rows += ["nobody-has-this,Bakery,,"]
    file = FilePayload(name="numbers.csv", mimeType="text/csv", buffer="\n".join(rows).encode())
    page = await open_page("admin", "/numbers")
    await page.get_by_role("button", name="Import CSV").click()
    await page.get_by_label("CSV file").set_input_files(file)
    await page.get_by_role("button", name="Check file").click()
    await expect(page.get_by_text("Vapi has no phone number with this id").first).to_be_visible()
    await page.get_by_role("button", name="Apply 300 rows").click()
    await expect(page.get_by_text("300 done, 0 unchanged, 1 failed")).to_be_visible(timeout=30_000)
    count = "SELECT count(*) FROM callgate.phone_numbers"
    assert await callgate.service.pool.fetchval(count) == 300
