"""Screenshots of every page of the panel in the sandbox: light and dark, wide and on a phone.

    python -m tests.browser.shots [--into FOLDER] [--only overview]

Starts `callgate serve --sandbox` on data of its own, posts the two calls that it prints, signs in
and visits every page. Without `--into` the pictures go to a new temporary folder, whose name is
printed.
"""

import argparse
import asyncio
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.support.browser import ARGUMENTS, CHROMIUM, PAGES
from tests.support.sandbox_process import sandbox_process

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = {"wide": 1280, "phone": 390}
DETAILS = ("organizations", "numbers", "calls")
"""Lists whose first entry has a page of its own."""


def find(printed: list[str], pattern: str) -> str:
    """The part of a printed line that a pattern's group names."""
    return next(found[1] for line in printed if (found := re.search(pattern, line)))


async def post_calls(printed: list[str]) -> None:
    """Run the printed commands: one call is blocked, one is allowed."""
    for line in printed:
        if line.startswith("curl "):
            command = await asyncio.create_subprocess_exec(
                *shlex.split(line), stdout=asyncio.subprocess.DEVNULL
            )
            await command.wait()


async def sign_in(context: BrowserContext, printed: list[str]) -> str:
    """Sign in as the printed admin; returns the panel's address."""
    panel = find(printed, r"^Panel: +(\S+)$")
    fields: dict[str, str | float | bool] = {
        "name": find(printed, r"^Sign in: +(\w+),"),
        "password": find(printed, r"^Sign in: .* (cg_\S+)$"),
    }
    answer = await context.request.post(
        f"{panel}/sign-in", form=fields, headers={"Sec-Fetch-Site": "same-origin"}
    )
    if not answer.ok:
        raise SystemExit(f"Signing in was refused with status {answer.status}.")
    return panel


async def find_details(page: Page, panel: str) -> list[str]:
    """The page of the first entry of each list."""
    found = []
    for name in DETAILS:
        await page.goto(f"{panel}/{name}")
        links = await page.eval_on_selector_all("main a", "all => all.map(one => one.pathname)")
        found += [link for link in links if re.fullmatch(rf"/admin/{name}/[0-9a-f-]{{36}}", link)][
            :1
        ]
    return [link.removeprefix("/admin") for link in found]


def name_of(path: str) -> str:
    """A page's name in a file name: ids are left out."""
    words = re.sub(r"/[0-9a-f-]{36}", "/one", path).strip("/")
    return words.replace("/", "-") or "overview"


async def visit(
    browser: Browser, printed: list[str], scheme: Literal["light", "dark"], width: str
) -> "Visit":
    context = await browser.new_context(
        color_scheme=scheme,
        viewport={"width": WIDTHS[width], "height": 800},
        device_scale_factor=2,
        reduced_motion="reduce",
    )
    return Visit(await context.new_page(), await sign_in(context, printed), f"{scheme}.{width}")


class Visit:
    """One browser window that is signed in; `kind` goes into the names of its pictures."""

    def __init__(self, page: Page, panel: str, kind: str) -> None:
        self.page = page
        self.panel = panel
        self.kind = kind

    async def take(self, path: str, folder: Path) -> Path:
        """A picture of the whole page."""
        await self.page.goto(f"{self.panel}{path}")
        picture = folder / f"{name_of(path)}.{self.kind}.png"
        await self.page.screenshot(path=picture, full_page=True)
        return picture


def kinds() -> Iterator[tuple[Literal["light", "dark"], str]]:
    for scheme in SCHEMES:
        for width in WIDTHS:
            yield scheme, width


async def take_all(printed: list[str], folder: Path, only: str | None = None) -> list[Path]:
    """Every page in every kind of window; `only` is the name of one page."""
    await post_calls(printed)
    taken: list[Path] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for scheme, width in kinds():
            window = await visit(browser, printed, scheme, width)
            paths = [*PAGES, *await find_details(window.page, window.panel)]
            wanted = [path for path in paths if only in (None, name_of(path))]
            taken += [await window.take(path, folder) for path in wanted]
        await browser.close()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--into", type=Path, help="a folder for the pictures")
    parser.add_argument("--only", help="one page, such as overview or organizations-one")
    given = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("There is no Chromium on this machine: install it first.")
    folder = given.into or Path(tempfile.mkdtemp(prefix="callgate-shots-"))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="callgate-shots-data-") as data:
        with sandbox_process(Path(data)) as printed:
            taken = asyncio.run(take_all(printed, folder, given.only))
    if not taken:
        sys.exit(f"There is no page {given.only!r}.")
    print(f"{len(taken)} pictures in {folder}")


if __name__ == "__main__":
    main()
