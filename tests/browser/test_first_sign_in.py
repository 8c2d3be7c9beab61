"""A newcomer in a real browser: from the printed set-up address to a panel of their own, and back in."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from service.admin.people.people import People
from service.sandbox.server import SandboxVapi
from tests.support.api import serving
from tests.support.people import MAKER
from tests.support.settings import settings_for

CHROMIUM = shutil.which("chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]

PASSWORD = "a long walk by the sea"


@pytest.fixture
async def fresh_page() -> AsyncIterator[Page]:
    """A page of a browser that has never been here. Anything that its console complains of fails."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        page = await (await browser.new_context()).new_page()
        page.set_default_timeout(15_000)
        refused: list[str] = []
        page.on(
            "console",
            lambda message: (
                refused.append(message.text) if "Content Security Policy" in message.text else None
            ),
        )
        page.on("pageerror", lambda error: refused.append(str(error)))
        yield page
        await browser.close()
        assert refused == []


async def test_the_first_sign_in(
    dsn: str, vapi: SandboxVapi, tmp_path: Path, fresh_page: Page
) -> None:
    page = fresh_page
    settings = settings_for(tmp_path, vapi.base_url, callgate_admin_token="")
    async with serving(settings, dsn) as api:
        people, panel = People(api.service.pool, ""), f"{api.base_url}/admin"
        code = await people.issue_setup_code()
        # A visitor without the code is redirected to set-up, and gets no further.
        await page.goto(f"{panel}/people")
        await expect(page.get_by_role("heading", name="Welcome to Callgate")).to_be_visible()
        await page.goto(f"{panel}/setup?code={code}")
        await page.get_by_label("Your name").fill("Ada Lovelace")
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_label("Confirm password").fill("something else")
        await page.get_by_role("button", name="Create admin").click()
        await expect(page.get_by_text("The passwords do not match.")).to_be_visible()
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_label("Confirm password").fill(PASSWORD)
        await page.get_by_role("button", name="Create admin").click()
        await page.wait_for_url(panel)
        assert await page.evaluate("document.cookie") == "", "no script reads the session"
        await page.goto(f"{panel}/account")
        await expect(page.get_by_text("This session")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        # Back to a page that was asked for, once the password is right.
        await page.goto(f"{panel}/people")
        await page.get_by_label("Name").fill("ada lovelace")
        await page.get_by_label("Password").fill("a wrong password")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_text("The name or the password is wrong.")).to_be_visible()
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_label("Password").press("Enter")
        await page.wait_for_url(f"{panel}/people")
        await expect(page.get_by_role("link", name="Ada Lovelace").first).to_be_visible()
        (ada,) = await people.list_page(MAKER, after=None, limit=5)
        assert (ada.role, ada.last_sign_in_at is not None) == ("admin", True)
