"""Replicas answer by what was committed a moment ago, even with their connections half-open."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from service.sandbox.server import SandboxVapi
from service.store.roles import app_dsn
from tests.support.access_history import on_trial
from tests.support.service import eventually, replica
from tests.support.settings import settings_for
from tests.support.tcp_proxy import proxied

BOUND_SECONDS = 5.0
"""The promise under a fault; in quiet it is a second, which `tests.bench history` measures."""


async def test_no_answer_follows_a_state_that_ended_long_ago(
    vapi: SandboxVapi, dsn: str, tmp_path: Path
) -> None:
    """Changes at random, calls all the time, and every connection of one replica black-holed."""
    async with on_trial(vapi, dsn, tmp_path, replicas=2, organizations=10) as trial:
        began = time.time()
        await asyncio.sleep(0.5)
        harmed = set(trial.proxies[1].connections)
        assert harmed
        with trial.proxies[1].fault("black_hole", lambda one: one in harmed):
            await asyncio.sleep(BOUND_SECONDS + 0.3)
    answers = trial.history.answers
    assert {one.replica for one in answers} == {0, 1}
    assert {one.allowed for one in answers} == {True, False}
    late, answer = trial.history.worst(began, time.time())
    assert late < BOUND_SECONDS, answer


async def test_changes_arrive_while_every_older_connection_is_half_open(
    vapi: SandboxVapi, dsn: str, tmp_path: Path
) -> None:
    """The second change comes when the feed listens again and the pool's connections are still dead."""
    async with proxied(dsn) as proxy:
        settings = settings_for(tmp_path / "there", vapi.base_url)
        async with (
            replica(settings_for(tmp_path / "here", vapi.base_url), app_dsn(dsn)) as here,
            replica(settings, app_dsn(proxy.dsn)) as there,
        ):
            owner = await here.add_organization()
            directory = there.service.access.directory

            def knows(name: str) -> Callable[[], Awaitable[bool]]:
                async def known() -> bool:
                    return name in {one.organization.name for one in directory.entries.values()}

                return known

            await eventually(knows("Bakery"))
            harmed = set(proxy.connections)
            with proxy.fault("black_hole", lambda one: one in harmed):
                for name in ("First", "Second"):
                    await here.api("PATCH", f"/organizations/{owner}", {"name": name})
                    await eventually(knows(name), BOUND_SECONDS)
            proxy.cut()
