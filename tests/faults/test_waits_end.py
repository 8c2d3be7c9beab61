"""Waits end: PostgreSQL that hangs, is locked or fails in any way delays no answer and loses no end."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from service.core import MOST_FOR_CALLS
from service.sandbox.server import SandboxVapi
from service.store.bounded import MOST_ABANDONED
from service.store.failures import classify
from service.store.roles import app_dsn
from tests.faults.test_ends_on_two_replicas import PLAN, report_of
from tests.support.service import Replica, Start, eventually, replica
from tests.support.settings import settings_for
from tests.support.tcp_proxy import proxied

POOL = 4
LOCK_SECONDS = 5.0
SLOWEST_ANSWER = 6.0
"""An answer waits for its record for two seconds; the rest is for a loaded machine. Without our own end
of the wait it takes over ten seconds."""

WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND usename <> current_user AND wait_event_type = 'Lock'
"""
LONG = "AND query_start < clock_timestamp() - interval '4 seconds'"
COUNT = "SELECT count(*) FROM callgate.calls"
OPEN = "SELECT count(*) FROM callgate.calls WHERE ended_at IS NULL OR cost IS DISTINCT FROM 0.25"

FAIL = """
CREATE OR REPLACE FUNCTION callgate.fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'out of order' USING ERRCODE = '{}'; END $$
"""
TRIGGER = """
CREATE OR REPLACE TRIGGER fail BEFORE INSERT OR UPDATE ON callgate.calls
    FOR EACH ROW EXECUTE FUNCTION callgate.fail()
"""


@asynccontextmanager
async def owner_of(dsn: str) -> AsyncIterator[Any]:
    """A connection of the tables' owner, which nothing harms."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def add_paying_number(to: Replica, vapi: SandboxVapi) -> str:
    number = str(vapi.add_number(provider="vapi")["id"])
    organization_id = await to.add_organization()
    await to.api("PUT", f"/organizations/{organization_id}/plan", PLAN)
    await to.add_number(organization_id, number)
    return number


async def timed(to: Replica, message: dict[str, Any]) -> tuple[int, float]:
    began = time.monotonic()
    answer = await to.post(message)
    return answer.status, time.monotonic() - began


async def test_a_lock_on_the_calls_delays_no_answer_and_loses_no_end(
    start_replica: Start, vapi: SandboxVapi, dsn: str
) -> None:
    callgate = await start_replica(callgate_pool_size=POOL)
    number = await add_paying_number(callgate, vapi)
    messages = [vapi.live_call(number) for _ in range(40)]
    most, answers = 0, []
    async with owner_of(dsn) as owner, owner_of(dsn) as observer:
        async with owner.transaction():
            await owner.execute("LOCK TABLE callgate.calls IN ACCESS EXCLUSIVE MODE")
            until = time.monotonic() + LOCK_SECONDS
            for message in messages:
                answers.append(asyncio.create_task(timed(callgate, message)))
                answers.append(asyncio.create_task(timed(callgate, report_of(message))))
                await asyncio.sleep(LOCK_SECONDS / len(messages) / 2)
                most = max(most, await observer.fetchval(WAITING))
            await asyncio.sleep(max(until - time.monotonic(), 0))
            # PostgreSQL ends a wait for a lock after three seconds at most, also for what was abandoned.
            assert await observer.fetchval(WAITING + LONG) == 0
        assert 0 < most <= POOL + MOST_FOR_CALLS + MOST_ABANDONED
        found = await asyncio.gather(*answers)
        assert {status for status, _ in found} == {200}
        assert max(seconds for _, seconds in found) < SLOWEST_ANSWER

        async def all_well() -> bool:
            found = [await observer.fetchval(query) for query in (COUNT, OPEN, WAITING)]
            return found == [len(messages), 0, 0]

        await eventually(all_well, 20)


async def test_half_open_connections_delay_neither_reports_nor_readiness(
    vapi: SandboxVapi, dsn: str, tmp_path: Path
) -> None:
    async with proxied(app_dsn(dsn)) as proxy:
        settings = settings_for(tmp_path / "replica", vapi.base_url)
        async with replica(settings, proxy.dsn) as callgate:
            number = await add_paying_number(callgate, vapi)
            messages = [vapi.live_call(number) for _ in range(8)]
            for message in messages:
                assert (await callgate.post(message)).status == 200
            with proxy.fault("black_hole"):
                began = time.monotonic()
                async with callgate.session.get(f"{callgate.url}/readyz") as answer:
                    assert answer.status == 200
                assert time.monotonic() - began < SLOWEST_ANSWER
                reports = [timed(callgate, report_of(message)) for message in messages]
                found = await asyncio.gather(*reports)
                assert {status for status, _ in found} == {200}
                assert max(seconds for _, seconds in found) < SLOWEST_ANSWER
            async with owner_of(dsn) as owner:

                async def all_ended() -> bool:
                    found = [await owner.fetchval(query) for query in (COUNT, OPEN)]
                    return found == [len(messages), 0]

                await eventually(all_ended, 30)


def unavailable_states() -> list[str]:
    """One SQLSTATE of each class that counts as unavailable; `test_failures` holds the others."""
    states = {
        kind.sqlstate
        for kind in vars(asyncpg.exceptions).values()
        if getattr(kind, "sqlstate", None) and classify(kind("text")) in ("unavailable", "conflict")
    }
    return sorted({state[:2]: state for state in sorted(states)}.values())


async def test_no_error_of_postgresql_becomes_a_500(
    callgate: Replica, vapi: SandboxVapi, dsn: str
) -> None:
    """Of any class: the record is kept on disk, and arrives when PostgreSQL takes it."""
    number = await add_paying_number(callgate, vapi)
    states = ["42703", *unavailable_states(), "ZZ999"]
    assert len(states) > 10
    writer = callgate.service.access.gate.recorder.writer
    known = vapi.live_call(number)
    assert (await callgate.post(known)).status == 200
    async with owner_of(dsn) as owner:
        await owner.execute(FAIL.format(states[0]))
        await owner.execute(TRIGGER)
        for state in states:
            await owner.execute(FAIL.format(state))
            writer.resting_until = float("-inf")
            assert (await callgate.post(vapi.live_call(number))).status == 200, state
            writer.resting_until = float("-inf")
            assert (await callgate.post(report_of(known))).status == 200, state
        await owner.execute("DROP TRIGGER fail ON callgate.calls")

        async def all_recorded() -> bool:
            return bool(await owner.fetchval(COUNT) == len(states) + 1)

        await eventually(all_recorded, 30)
