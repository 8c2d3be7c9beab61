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


async def test_a_call_that_ends_keeps_its_place_and_leaves_a_list_that_it_no_longer_fits(
    callgate: Replica, vapi: SandboxVapi, open_page: OpenPage
) -> None:
    owner = await callgate.add_organization("Cafe")
    await callgate.api("PUT", f"/organizations/{owner}/plan", {"code": "pro", "status": "active"})
    number = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number)
    message: Any = vapi.live_call(number, reports_end=True)
    call_id = message["message"]["call"]["id"]
    assert (await callgate.post(message)).status == 200
    await block(callgate, vapi, "Bakery")
    page = await open_page("viewer", "/calls")
    live = await page.context.new_page()
    await live.goto(f"{callgate.url}/admin/calls?live=true")
    told = await page.context.new_page()
    stored = await callgate.call(call_id)
    await told.goto(f"{callgate.url}/admin/calls/{stored['id']}")
    for one in (page, live):
        await expect(one.locator("[data-feed-state]")).to_contain_text("Live")
    await expect(live.locator("#total")).to_have_text("1 call of this selection")
    await expect(told.locator(".lead")).to_contain_text("No end has been reported yet")
    vapi.hang_up(call_id)
    rows = page.locator("tr[data-key]")
    await expect(rows.nth(1)).not_to_contain_text("In progress")
    await expect(rows.nth(0)).to_contain_text("Bakery")
    await expect(rows.nth(1)).to_contain_text("Cafe")
    await expect(live.locator("tr[data-key]")).to_have_count(0)
    await expect(live.locator("#total")).to_have_text("")
    # An open page of the call learns of its end too.
    await expect(told.locator(".lead")).to_contain_text("It ended after")
    await expect(told.locator("#story[hx-get]")).to_have_count(0)


async def test_a_blocked_call_arrives_live_with_its_reason_and_has_a_story(
    callgate: Replica, vapi: SandboxVapi, open_page: OpenPage
) -> None:
    page = await open_page("viewer", "/calls")
    await expect(page.locator("[data-feed-state]")).to_contain_text("Live")
    await block(callgate, vapi, "Bakery")
    await expect(page.locator("#total")).to_have_text("1 call")
    await block(callgate, vapi, "Cafe")
    await expect(page.locator("#total")).to_have_text("2 calls")
    row = page.locator("tr[data-key]", has_text="Bakery")
    await expect(row).to_contain_text("Neither plan nor trial")
    await expect(row).to_contain_text("Hung up")
    await row.get_by_role("link").first.click()
    await expect(page.locator(".lead")).to_contain_text("was blocked at its first event")
    await expect(page.locator(".timeline")).to_contain_text("Vapi accepted hang-up command")


async def test_a_call_is_found_by_a_name_and_by_the_last_digits_of_its_caller(
    callgate: Replica, vapi: SandboxVapi, open_page: OpenPage
) -> None:
    owner = await callgate.add_organization("Corner Bakery")
    await callgate.api("PUT", f"/organizations/{owner}/plan", {"code": "pro", "status": "active"})
    number = vapi.add_number(provider="vapi")["id"]
    await callgate.add_number(owner, number, label="Front desk")
    message: Any = vapi.live_call(number, caller="+4915112345678")
    assert (await callgate.post(message)).status == 200
    await block(callgate, vapi, "Cafe")
    page = await open_page("viewer", "/calls")
    rows = page.locator("tr[data-key]")
    await expect(rows).to_have_count(2)
    for text in ("5678", "bakery", "front d"):
        await page.get_by_label("Search").fill(text)
        await page.get_by_label("Search").press("Enter")
        await expect(rows).to_have_count(1)
        await expect(rows.first).to_contain_text("Corner Bakery")
        await expect(rows.first).to_contain_text("+49•••••••5678 Inbound")
        await expect(rows.first).to_contain_text("Live")
    admins = await open_page("admin", "/calls?search=345678")
    await expect(admins.locator("tr[data-key]")).to_contain_text("+4915112345678")
    async with admins.expect_download() as download:
        await admins.get_by_role("link", name="Download this list as CSV").click()
    assert (await download.value).suggested_filename == "calls.csv"
    await admins.locator("tr[data-key] a").first.click()
    await expect(admins.locator(".facts")).to_contain_text("Customer+4915112345678")
