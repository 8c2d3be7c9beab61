"""`callgate doctor`: the examination in the terminal."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from policies.host.loading import run_beside
from service.access.policies.conditions import list_unloaded
from service.access.policies.plugins import PolicyChoice, load_policies
from service.admin.doctor.check import DoctorFinding
from service.admin.doctor.doctor import Doctor
from service.cli.running import (
    TRY_IT,
    database,
    has_account,
    print_json,
    sandbox_profile,
    set_up_logging,
)
from service.core import build_client, open_session
from service.domain.conditions import Condition, condition
from service.domain.priority import Priority
from service.settings import Settings, read_settings
from service.store.doctor import REFUSED, UnusableDatabaseError, open_pool
from service.store.pool import close_pool
from service.store.pooling import PoolingError
from service.store.postgres.data_dir import find_running, has_database
from service.store.postgres.server import EmbeddedPostgresError
from service.store.reconcile.request_budget import Budget

SIGNS = {
    "ok": ("✔", "green"),
    "note": ("·", "dim"),
    "warning": ("!", "yellow"),
    "failed": ("✘", "red"),
}
OK, FAILED, WARNED = 0, 1, 2


app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Examine settings, database, key, webhook, numbers and hang-ups; change nothing.

    Ends with 0 when all checks pass, 2 with warnings, 1 with errors.
    """
    profile = sandbox_profile()
    given = profile.values if profile is not None else {}
    settings, unread = read_settings(sandbox=profile is not None, **given)
    set_up_logging(settings, command=True)
    with existing_database(settings, unread) as found:
        findings = asyncio.run(examine(settings, tuple(unread), found))
    if as_json:
        print_json([asdict(one) for one in findings])
    else:
        show(findings)
        if profile is None and not has_account(os.environ):
            typer.echo(TRY_IT)
    levels = {finding.level for finding in findings}
    raise typer.Exit(FAILED if "failed" in levels else WARNED if "warning" in levels else OK)


@contextmanager
def existing_database(settings: Settings, unread: Sequence[str]) -> Iterator[str | DoctorFinding]:
    """The DSN to examine, or why there is none. No database is created: the doctor changes nothing."""
    if any(line.startswith("DATABASE_URL ") for line in unread):
        text = "DATABASE_URL cannot be read as an address of PostgreSQL."
        yield unusable(text, "Write postgresql://user:password@host:5432/database.")
        return
    folder = settings.callgate_data_dir
    if not settings.database_url.get_secret_value() and not find_running(folder):
        try:
            exists = has_database(folder)
        except OSError as exc:
            text = f"CALLGATE_DATA_DIR {folder} cannot be read ({exc.strerror})."
            yield unusable(text, "Run as the user that runs the service.")
            return
        if not exists:
            text = f"DATABASE_URL is not set, and CALLGATE_DATA_DIR {folder} holds no database yet."
            remedy = "Set DATABASE_URL, or start callgate serve, which creates one there."
            yield unusable(text, remedy)
            return
    with ExitStack() as stack:
        found: str | DoctorFinding
        try:
            found = stack.enter_context(database(settings))
        except EmbeddedPostgresError as exc:
            found = unusable(exc, "Fix the cause, or set DATABASE_URL.")
        except PoolingError as exc:
            found = unusable(exc, "Then run the doctor again.")
        yield found


def unusable(problem: object, remedy: str) -> DoctorFinding:
    """The finding for a database that cannot be used."""
    found = condition("database_unusable", problem=problem, remedy=remedy)
    return DoctorFinding.of("database", found)


async def examine(
    settings: Settings, unread: tuple[str, ...], found: str | DoctorFinding
) -> list[DoctorFinding]:
    """Build what the doctor needs. A database that does not answer is a finding."""
    pool, trouble = None, found if isinstance(found, DoctorFinding) else None
    if isinstance(found, str):
        try:
            pool = await open_pool(found, 4)
        except UnusableDatabaseError as exc:
            trouble = unusable(exc, exc.remedy)
    try:
        async with open_session(settings) as session:
            budget = Budget(pool, settings.callgate_vapi_requests_per_second) if pool else None

            async def pace(priority: Priority) -> None:
                """Count the request; without a schema it is not counted and sent all the same."""
                if budget is not None:
                    with suppress(REFUSED):
                        await budget.pace(priority)

            client = build_client(settings, session, pace)
            doctor = Doctor(settings, pool, client, session, unread, trouble)
            read_policies = partial(read_unloaded, settings)
            return await replace(doctor, read_policies=read_policies).examine()
    finally:
        if pool is not None:
            await close_pool(pool)


async def read_unloaded(settings: Settings) -> list[Condition]:
    """Load the policies as a start would: what cannot be loaded."""
    loaded = await run_beside(partial(load_policies, PolicyChoice.of(settings)))
    return list(list_unloaded(loaded.problems, loaded.missing))


def show(findings: list[DoctorFinding]) -> None:
    """One line per finding, with its remedy below."""
    console = Console(soft_wrap=True)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        sign, style = SIGNS[finding.level]
        line = Text.assemble((f"{sign} ", style), f"{finding.name:<{width}}  ", finding.detail)
        console.print(line)
        if finding.remedy and finding.level != "ok":
            console.print(Text(f"{'':<{width + 4}}→ {finding.remedy}", "dim"))
