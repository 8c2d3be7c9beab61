"""Usage in a real browser: from the menu to a client, in another order, and as a file."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from playwright.async_api import Page, expect

from tests.support.browser import OpenPage, in_a_browser
from tests.support.calls import new_call, record
from tests.support.service import Replica

pytestmark = in_a_browser

MIDDLE = datetime.now(UTC).replace(day=1, hour=12)
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def clients(callgate: Replica) -> None:
    """Two clients this month and last month, one of them at its limit."""
    for name, minutes, cost in (("Bakery", 10, "9.5"), ("Cafe", 1024, "1.25")):
        owner = await callgate.add_organization(name)
        limits = {"minutes": 1000, "cost": 10, "concurrent_calls": 3}
        plan = {"code": "pro", "status": "active", "limits": limits}
        await callgate.api("PUT", f"/organizations/{owner}/plan", plan)
        for day in range(2):
            at = MIDDLE - timedelta(days=day * 10)
            call = new_call(
                str(uuid4()),
                organization_id=UUID(owner),
                started_at=at,
                ended_at=at,
                duration_seconds=minutes * 60.0,
                cost=Decimal(cost),
            )
            await record(callgate.service.pool, call)


async def names(page: Page) -> list[str]:
    return await page.locator("#rows th a").all_inner_texts()


async def test_from_the_menu_to_a_client(callgate: Replica, open_page: OpenPage) -> None:
    await clients(callgate)
    # The page shows the limits as the conditions last read them: seconds ago, before these clients.
    callgate.service.use_cases.conditions.stored.limits.read_at = float("-inf")
    page = await open_page("viewer", "")
    await page.keyboard.press("g")
    await page.keyboard.press("b")
    await page.wait_for_url("**/admin/usage")
    assert await names(page) == ["Cafe", "Bakery"]
    await expect(page.get_by_text("Limit reached")).to_have_count(1)
    # Another order, and back.
    await page.get_by_role("link", name="Cost", exact=True).click()
    await expect(page.locator("#rows th a").first).to_have_text("Bakery")
    await page.get_by_role("link", name="Cost", exact=False).first.click()
    await expect(page.locator("#rows th a").first).to_have_text("Cafe")
    # Typing searches; the totals stay those of all.
    await page.get_by_role("searchbox").fill("bak")
    await expect(page.locator("#rows tr")).to_have_count(1)
    await page.get_by_role("searchbox").fill("")
    await expect(page.locator("#rows tr")).to_have_count(2)
    async with page.expect_download() as waiting:
        await page.get_by_role("link", name="Download this list as CSV").click()
    download = await waiting.value
    assert download.suggested_filename == f"usage-{MIDDLE:%Y-%m}.csv"
    await page.get_by_role("button", name="Previous month").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Usage in")
    assert await names(page) == ["Cafe", "Bakery"]
    await page.get_by_role("link", name="Cafe").click()
    await expect(page.get_by_role("heading", name="Usage this month")).to_be_visible()
    await expect(page.get_by_role("progressbar", name="Minutes")).to_have_attribute("value", "100")
    await page.get_by_text("Show as a table").click()
    await expect(page.get_by_role("cell", name="1,024.0")).to_be_visible()


async def test_a_phone_shows_the_figures_without_scrolling_aside(
    callgate: Replica, open_page: OpenPage
) -> None:
    await clients(callgate)
    page = await open_page("viewer", "/usage")
    await page.set_viewport_size({"width": 390, "height": 800})
    assert await page.evaluate(TOO_WIDE) <= 0
    await page.get_by_role("link", name="Cafe").click()
    await expect(page.get_by_role("progressbar", name="Cost")).to_be_visible()
    assert await page.evaluate(TOO_WIDE) <= 0
