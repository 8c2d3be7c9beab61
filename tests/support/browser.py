"""A real Chromium, signed in to the panel. A script of ours that fails, fails the test."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from playwright.async_api import Browser, Page, async_playwright

from service.domain.people import Role
from service.web.panel.kit.guard import COOKIE
from tests.support.service import Replica
from tests.support.visiting import visiting

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]

in_a_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]
"""What every module of browser tests is marked with."""

PAGES = (
    "",
    "/organizations",
    "/organizations/new",
    "/organizations/import",
    "/numbers",
    "/numbers/new",
    "/numbers/import",
    "/calls",
    "/usage",
    "/repairs",
    "/unknown-numbers",
    "/policies",
    "/health",
    "/audit",
    "/people",
    "/tokens",
    "/account",
    "/no-such-page",
)
"""Every page below /admin that needs no id."""

OpenPage = Callable[..., Awaitable[Page]]
"""`await open_page(role, path)`: a new person with this role looks at a page below /admin."""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        await found.close()


@pytest.fixture
async def open_page(callgate: Replica, browser: Browser) -> AsyncIterator[OpenPage]:
    failed: list[str] = []
    async with AsyncExitStack() as stack:

        async def open_as(role: Role, path: str) -> Page:
            visitor = await stack.enter_async_context(visiting(callgate, role, f"A {role}"))
            context = await browser.new_context(timezone_id="Europe/Berlin", locale="en-GB")
            await context.add_cookies(
                [{"name": COOKIE, "value": visitor.token, "url": visitor.base_url}]
            )
            page = await context.new_page()
            page.set_default_timeout(10_000)
            page.on("pageerror", lambda error: failed.append(str(error)))
            page.on(
                "console", lambda said: failed.append(said.text) if said.type == "error" else None
            )
            await page.goto(f"{visitor.base_url}/admin{path}")
            return page

        yield open_as
    assert failed == []
