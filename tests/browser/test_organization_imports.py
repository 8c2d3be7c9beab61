"""Importing organizations in a real browser: from the empty list to the organizations, and back."""

from playwright.async_api import FilePayload, expect

from tests.support.browser import OpenPage, in_a_browser
from tests.support.service import Replica

pytestmark = in_a_browser

ROWS = [
    "name,external_id,plan,status,current_period_end,trial_ends_at,blocked_message",
    *(f"Customer {place},c-{place},pro,active,2030-01-31,," for place in range(120)),
    "Nameless plan,c-x,pro,,,,",
]


async def test_the_empty_list_leads_to_an_import_that_one_undo_takes_back(
    open_page: OpenPage, callgate: Replica
) -> None:
    file = FilePayload(name="customers.csv", mimeType="text/csv", buffer="\n".join(ROWS).encode())
    page = await open_page("admin", "/organizations")
    await page.get_by_role("button", name="Import a CSV file").click()
    await page.get_by_label("CSV file").set_input_files(file)
    await page.get_by_role("button", name="Check file").click()
    await expect(page.get_by_text("The plan is incomplete").first).to_be_visible()
    await expect(page.get_by_role("link", name="Download rows with an error")).to_be_visible()
    await page.get_by_role("button", name="Apply 120 rows").click()
    await expect(page.get_by_text("120 done, 0 unchanged, 1 failed")).to_be_visible(timeout=30_000)
    await page.get_by_role("link", name="Customer 7", exact=True).click()
    await expect(page.get_by_role("heading", name="Customer 7")).to_be_visible()
    await page.go_back()
    await page.get_by_role("button", name="Undo the import").click()
    await expect(page.get_by_text("Rows undone: 240.")).to_be_visible(timeout=30_000)
    left = await callgate.service.pool.fetchval("SELECT count(*) FROM callgate.organizations")
    assert left == 0
