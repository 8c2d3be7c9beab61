"""The README's walk through the panel, in the sandbox that a newcomer starts."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browser import in_a_browser
from tests.support.documents import README, section
from tests.support.sandbox_process import sandbox_process

pytestmark = in_a_browser


@pytest.fixture
def printed(tmp_path: Path) -> Iterator[list[str]]:
    with sandbox_process(tmp_path) as lines:
        yield lines


def find(printed: list[str], pattern: str) -> str:
    """What the command printed for the walk."""
    found = next(filter(None, (re.match(pattern, line) for line in printed)))
    return found[1]


async def sign_in(page: Page, printed: list[str]) -> None:
    await page.goto(find(printed, r"Panel: +(\S+)"))
    await page.get_by_label("Name").fill(find(printed, r"Sign in: +(\w+),"))
    password = find(printed, r"Sign in: .*password and API token (\S+)")
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def test_the_walk_through_the_panel_goes_as_the_readme_says(
    browser: Browser, printed: list[str]
) -> None:
    steps = re.findall(r"^\d\. (.+)$", section(README, "A walk through the panel"), re.MULTILINE)
    assert len(steps) == 6
    page = await (await browser.new_context()).new_page()
    page.set_default_timeout(10_000)
    await sign_in(page, printed)
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    await page.get_by_role("link", name="Calls", exact=True).click()
    command = next(line for line in printed if line.startswith("curl "))
    posted = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE)
    answer, _ = await posted.communicate()
    assert b" 403 " in answer.splitlines()[0]
    row = page.get_by_role("row").filter(has_text="Blocked Bakery")
    await expect(row).to_contain_text("Blocked")
    await expect(row).to_contain_text("Hung up")
    await row.get_by_role("link").first.click()
    await expect(page.get_by_role("main")).to_contain_text("Timeline")

    await page.get_by_role("link", name="Organizations", exact=True).first.click()
    await page.get_by_role("link", name="Blocked Bakery").click()
    await page.get_by_role("link", name="Set a plan").click()
    await page.get_by_label("Name of the plan").fill("pro")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("button", name="Undo").first).to_be_visible()
    await expect(page.get_by_role("main")).to_contain_text("Calls are allowed.")

    for name in re.findall(r"\*\*([^*]+)\*\*", " ".join(steps[3:])):
        await page.get_by_role("link", name=name, exact=True).first.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(name)
