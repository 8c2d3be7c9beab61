"""`callgate policies replay`: what a changed chain would have decided on the calls of the last days."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.console import Console
from rich.status import Status

from policies.host.harness import PolicyTestError
from service.cli.given import NAME_IT, time_of
from service.cli.policy_kit.cases import CasesError
from service.cli.policy_kit.changed_chain import (
    ChangedChain,
    Choice,
    ReplayedChain,
    build_chain,
    read_chain,
)
from service.cli.policy_kit.replay_report import Names, print_report, report_values
from service.cli.running import print_json, run_deciding, settings_for
from service.domain.policies.replays import ReplaySums
from service.store.audit import find_names
from service.store.clock import get_now
from service.store.organizations import organizations
from service.store.policies.choices import read_choices
from service.store.policies.recorded_decisions import DecidedSpan

if TYPE_CHECKING:
    from service.access.replay.replayer import Replayer
    from service.admin.deciding_cases import DecidingCases

SAME, FAILED, DIFFERENT = 0, 1, 2
DAYS = 7
MODES = ("enforce", "shadow", "off")


class Wanted(NamedTuple):
    """Which calls are replayed."""

    since: datetime | None
    until: datetime | None
    organization: str
    most: int


class Replayed(NamedTuple):
    """What came out, for the report."""

    span: DecidedSpan
    sums: ReplaySums
    names: Names


def replay(
    *,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="A plugin as entry points name it, also one in this folder; repeatable."),
    ] = None,
    mode: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=MODE", help="enforce, shadow or off, for all; repeatable."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="A YAML or JSON file with policies, settings and choices."),
    ] = None,
    ask: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Ask this policy, though it does not only compute; repeatable."
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(parser=time_of, metavar="INSTANT", help="Default: 7 days before the end."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(parser=time_of, metavar="INSTANT", help="Default: now.")
    ] = None,
    organization: Annotated[
        str, typer.Option(help="Only this one: its id, external id or name.")
    ] = "",
    most: Annotated[int, typer.Option(min=1, help="The most calls, newest first.")] = 100_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Decide the recorded calls of the last days again with a changed chain, and list the differences.

    The facts are those of each call's beginning; organizations' own modes and settings are the present
    ones. What cannot be replayed is counted. Nothing is changed or recorded.
    Ends with 0 without differences, 2 with differences, 1 on failure.
    """
    settings = settings_for()
    wanted = Wanted(since, until, organization, most)
    try:
        changed = read_chain(file) if file else ChangedChain()
        changed.policies += policy or []
        changed.choices |= dict(map(choice_of, mode or []))
        chain = build_chain(settings, changed, ask or [])
        with shown(show=not as_json) as status:
            replayed = run_deciding(settings, lambda cases: work(cases, chain, wanted, status))
    except (CasesError, PolicyTestError) as exc:
        typer.echo(str(exc), err=True)
        raise typer.Exit(FAILED) from None
    if as_json:
        print_json(report_values(*replayed))
    else:
        print_report(*replayed)
    raise typer.Exit(DIFFERENT if replayed.sums.different else SAME)


def choice_of(text: str) -> tuple[str, Choice]:
    """A policy's name and its mode. Raises `CasesError`."""
    name, _, mode = text.partition("=")
    if mode not in MODES:
        raise CasesError(f"--mode {text!r}: write NAME=enforce, NAME=shadow or NAME=off.")
    return name, Choice.model_validate({"mode": mode})


async def work(
    cases: "DecidingCases", chain: ReplayedChain, wanted: Wanted, status: Status | None
) -> Replayed:
    """Replay, and read the names of the organizations. Raises `CasesError`."""
    from service.access.replay.replayer import Replayer  # noqa: PLC0415

    pool = cases.pool
    span = await choose_span(cases, wanted)
    settings = cases.settings
    replayer = Replayer(
        chain.policies,
        choices=chain.merged(await read_choices(pool)),
        renewal_grace=settings.callgate_renewal_grace,
        asked=chain.asked,
    )
    if failed := await replayer.start():
        raise CasesError(failed[0])
    try:
        sums = await run_replay(cases, replayer, span, wanted.most, status)
    finally:
        await replayer.stop()
    ids = [str(one) for one in sums.organizations]
    return Replayed(span, sums, await find_names(pool, ids))


async def run_replay(
    cases: "DecidingCases",
    replayer: "Replayer",
    span: DecidedSpan,
    most: int,
    status: Status | None,
) -> ReplaySums:
    """Replay, and show on a terminal how far it has come."""
    from service.access.replay.replay import Replay  # noqa: PLC0415

    keep = cases.settings.callgate_keep_history
    kept_since = await get_now(cases.pool) - keep if keep else None
    sums = ReplaySums()
    async for reached in Replay(cases.pool, replayer, span, kept_since, most).run(sums):
        if status is not None:
            status.update(f"{sums.calls:,} calls, back to {reached:%Y-%m-%d %H:%M} UTC")
    return sums


async def choose_span(cases: "DecidingCases", wanted: Wanted) -> DecidedSpan:
    """The calls that are meant. Raises `CasesError`."""
    pool = cases.pool
    until = wanted.until or await get_now(pool)
    since = wanted.since or until - timedelta(days=DAYS)
    if since >= until:
        raise CasesError("--until must be later than --since.")
    if not wanted.organization:
        return DecidedSpan(since, until)
    found = await organizations.find_named(pool, wanted.organization)
    if found is None:
        raise CasesError(f"There is no organization {wanted.organization!r}. {NAME_IT}")
    return DecidedSpan(since, until, found.id)


@contextmanager
def shown(*, show: bool) -> Iterator[Status | None]:
    """Progress on a terminal; nothing elsewhere."""
    if not show or not sys.stderr.isatty():
        yield None
        return
    with Console(stderr=True).status("Reading calls") as status:
        yield status
