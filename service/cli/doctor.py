"""`callgate doctor`: the examination on screen."""

import asyncio
import sys
from dataclasses import asdict
from typing import Annotated

import aiohttp
import orjson
import typer
from rich.console import Console
from rich.text import Text

from service.admin.doctor import Doctor
from service.admin.doctor_check import Finding
from service.cli.running import database, settings_for
from service.settings import Settings
from service.store.budget import Budget
from service.store.embedded import EmbeddedPostgresError
from service.store.pool import UNAVAILABLE, create_pool
from service.vapi.client import VapiClient

SIGNS = {"ok": ("✔", "green"), "warning": ("!", "yellow"), "failed": ("✘", "red")}
WELL, FAILED, WARNED = 0, 1, 2


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON.")] = False,
) -> None:
    """Examine everything and say what is not well, each with its remedy.

    Ends with 0 when all is well, 2 when there are warnings, 1 when something failed.
    """
    settings = settings_for()
    try:
        with database(settings) as dsn:
            findings = asyncio.run(examine(settings, dsn))
    except EmbeddedPostgresError as exc:
        findings = asyncio.run(examine(settings, None))
        findings.append(Finding("database", "failed", str(exc)))
    if as_json:
        shown = orjson.dumps([asdict(one) for one in findings], option=orjson.OPT_INDENT_2)
        sys.stdout.write(shown.decode() + "\n")
    else:
        show(findings)
    levels = {finding.level for finding in findings}
    raise typer.Exit(FAILED if "failed" in levels else WARNED if "warning" in levels else WELL)


async def examine(settings: Settings, dsn: str | None) -> list[Finding]:
    """Build what the doctor needs; a database that is away is a finding, too."""
    pool = None
    if dsn is not None:
        try:
            pool = await create_pool(dsn, 2)
        except UNAVAILABLE:
            pool = None
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            budget = Budget(pool, settings.callgate_vapi_requests_per_second) if pool else None

            async def unpaced(_priority: object) -> None:
                """One request more or less."""

            pace = budget.pace if budget else unpaced
            client = VapiClient(session, settings.vapi_api_url, settings.vapi_api_key, pace)
            return await Doctor(settings, pool, client, session).examine()
    finally:
        if pool is not None:
            await pool.close()


def show(findings: list[Finding]) -> None:
    """A line a finding, its remedy below it."""
    console = Console(soft_wrap=True)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        sign, style = SIGNS[finding.level]
        line = Text.assemble((f"{sign} ", style), f"{finding.name:<{width}}  ", finding.detail)
        console.print(line)
        if finding.remedy and finding.level != "ok":
            console.print(Text(f"{'':<{width + 4}}→ {finding.remedy}", "dim"))
