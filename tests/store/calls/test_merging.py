"""Records of one call, from several replicas and their spools, give the same row in any order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.call_records.details import CallDetails, CostParts
from service.domain.calls import CallEnd, EndProof, NewCall
from service.store.calls.call_store import CallStore
from service.store.calls.spool import Entry, Spool
from service.store.pool import Pool, create_pool
from tests.support.calls import new_call
from tests.support.database import TEMPLATE, fresh_database

BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
ROW = """
SELECT status, blocked, type, vapi_phone_number_id, started_at, ended_at, ended_reason,
    duration_seconds, cost, end_proved, hangup_state, control_url, duration_claimed, cost_claimed,
    cost_parts, customer_number, line_number, assistant_id, connected, doubts
FROM callgate.calls WHERE vapi_call_id = $1
"""


@dataclass(frozen=True)
class Step:
    """A message of a call: taken by a replica, and recorded at once or spooled there.

    `begins`: the first that this replica sees of the call.
    """

    replica: int
    spooled: bool
    begins: bool
    minute: int
    ends: bool = False
    proof: EndProof = "message"
    reason: str | None = None
    duration: float | None = None
    cost: Decimal | None = None
    parts: CostParts | None = None
    details: CallDetails = field(default_factory=CallDetails)


DETAILS = st.builds(
    CallDetails,
    customer_number=st.sampled_from([None, "+4930111", "+4930222"]),
    line_number=st.sampled_from([None, "+4930999"]),
    assistant_id=st.sampled_from([None, "assistant-1", "Assistant-2"]),
    connected=st.booleans(),
    doubts=st.sampled_from([(), ("started_at",), ("cost_parts", "ended_at")]),
)
FIGURES = {
    "reason": st.sampled_from([None, "customer-ended-call", "silence-timed-out"]),
    # Within what any call may last; and what is refused of every call.
    "duration": st.sampled_from([None, 0.0, 61.5, 200.0, 200_000.0]),
    "cost": st.sampled_from([None, Decimal("0.1"), Decimal("0.9"), Decimal(10_000)]),
    "parts": st.sampled_from([None, {"llm": 0.1}, {"llm": 0.05, "stt": 0.05}]),
    "details": DETAILS,
}
MESSAGES = st.builds(
    Step,
    replica=st.integers(0, 2),
    spooled=st.booleans(),
    begins=st.booleans(),
    minute=st.integers(0, 20),
    ends=st.booleans(),
    **FIGURES,
)
PROVED = st.builds(
    Step,
    replica=st.just(0),
    spooled=st.just(False),
    begins=st.just(False),
    minute=st.integers(0, 20),
    ends=st.just(True),
    proof=st.just("vapi"),
    reason=st.just("assistant-ended-call"),
    duration=st.sampled_from([None, 90.0]),
    cost=st.sampled_from([None, Decimal(0), Decimal("0.4")]),
    parts=st.sampled_from([None, {"llm": 0.3}]),
    details=DETAILS,
)
FIRST = st.builds(
    Step,
    replica=st.integers(0, 2),
    spooled=st.booleans(),
    begins=st.just(True),
    minute=st.just(0),
    details=DETAILS,
)


@st.composite
def lives(draw: st.DrawFn) -> list[Step]:
    """The messages of a call in their true order. Vapi's record is read of recorded calls only."""
    first = draw(FIRST)
    later = draw(st.lists(MESSAGES, min_size=1, max_size=6))
    if not first.spooled and draw(st.booleans()):
        later.insert(draw(st.integers(0, len(later))), draw(PROVED))
    return [first, *later]


def call_of(step: Step, call_id: str, *, allowed: bool) -> NewCall:
    at = BEGAN + timedelta(minutes=step.minute)
    ended = step.ends and allowed
    return new_call(
        call_id,
        allowed=allowed,
        organization_id=ORGANIZATION,
        type="inboundPhoneCall",
        vapi_phone_number_id="n",
        started_at=at,
        control_url=f"https://x.vapi.ai/{call_id}",
        hangup_after_seconds=None if allowed else 0.0,
        ended_at=at if ended else None,
        ended_reason=step.reason if ended else None,
        duration_seconds=plausible(step.duration, 86_400) if ended else None,
        cost=plausible(step.cost, 100) if ended else None,
        cost_parts=step.parts if ended and plausible(step.cost, 100) is not None else None,
        details=step.details,
    )


def plausible(figure: float | Decimal | None, most: int) -> float | Decimal | None:
    """What the first message's own check leaves of a figure."""
    return None if figure is None or figure > most else figure


def end_of(step: Step, call_id: str, *, allowed: bool) -> CallEnd:
    at = BEGAN + timedelta(minutes=step.minute)
    proved = step.proof == "vapi"
    known = replace(call_of(replace(step, ends=False), call_id, allowed=allowed), control_url=None)
    return CallEnd(
        call_id,
        at,
        step.reason,
        step.duration,
        step.cost,
        ORGANIZATION,
        step.proof,
        reported_at=None if proved else at,
        call=None if proved else known,
        cost_parts=step.parts,
        details=step.details,
    )


ORGANIZATION = uuid4()


def entries_of(life: Sequence[Step], call_id: str, *, allowed: bool) -> list[Entry]:
    return [
        Entry(call=call_of(step, call_id, allowed=allowed))
        if step.begins or not step.ends
        else Entry(end=end_of(step, call_id, allowed=allowed))
        for step in life
    ]


async def record(calls: CallStore, entry: Entry) -> None:
    if entry.call is not None:
        await calls.record_calls([entry.call])
    if entry.end is not None:
        await calls.record_end(entry.end)


@dataclass
class Database:
    """A database for all examples of this file, on a loop of its own."""

    run: Callable[[Awaitable[None]], None]
    pool: Pool


@asynccontextmanager
async def opened(admin_dsn: str) -> AsyncIterator[Pool]:
    async with fresh_database(admin_dsn, TEMPLATE) as dsn:
        pool = await create_pool(dsn, 5)
        yield pool
        pool.terminate()


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[Database]:
    with asyncio.Runner() as runner:
        context = opened(postgres_server)
        pool = runner.run(context.__aenter__())
        yield Database(lambda work: runner.run(wait(work)), pool)
        runner.run(context.__aexit__(None, None, None))


async def wait(work: Awaitable[None]) -> None:
    await work


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    life=lives(),
    allowed=st.booleans(),
    drains=st.tuples(st.lists(st.integers(0, 2), max_size=3), st.permutations(range(3))),
)
def test_any_order_of_draining_gives_the_row_of_the_true_order(
    database: Database,
    tmp_path: Path,
    life: list[Step],
    allowed: bool,
    drains: tuple[list[int], list[int]],
) -> None:
    async def compare() -> None:
        calls = CallStore(database.pool)
        true, mixed = f"true-{uuid4()}", f"mixed-{uuid4()}"
        for entry in entries_of(life, true, allowed=allowed):
            await record(calls, entry)
        spools = [Spool(tmp_path / mixed / str(number), calls) for number in range(3)]
        early = iter(drains[0])
        for step, entry in zip(life, entries_of(life, mixed, allowed=allowed), strict=True):
            if step.spooled:
                await spools[step.replica].keep(entry)
            else:
                await record(calls, entry)
            if (drained := next(early, None)) is not None:
                await spools[drained].drain()
        for number in drains[1]:
            await spools[number].drain()
            spools[number].close()
        expected = dict(await database.pool.fetchrow(ROW, true) or {})
        found = dict(await database.pool.fetchrow(ROW, mixed) or {})
        if expected["control_url"] is not None:
            expected["control_url"] = expected["control_url"].replace(true, mixed)
        assert found == expected

    database.run(compare())


async def test_an_end_without_a_row_brings_its_call_along(pool: Pool) -> None:
    known = new_call("a", organization_id=ORGANIZATION)
    end = CallEnd("a", known.started_at, "customer-ended-call", 12.0, Decimal("0.2"), call=known)
    assert await CallStore(pool).record_end(end) == "closed"
    assert dict(await pool.fetchrow(ROW, "a") or {})["cost"] == Decimal("0.2")


async def test_a_spooled_end_of_a_call_that_nothing_tells_of_is_kept_for_an_operator(
    tmp_path: Path, pool: Pool
) -> None:
    spool = Spool(tmp_path / "spool", CallStore(pool))
    await spool.keep(Entry(end=CallEnd("a", BEGAN, "customer-ended-call")))
    await spool.drain()
    assert not spool.waiting
    assert b'"a"' in (tmp_path / "spool" / "refused").read_bytes()
    spool.close()


async def test_an_end_that_postgresql_never_takes_blocks_no_other(
    tmp_path: Path, pool: Pool
) -> None:
    spool = Spool(tmp_path / "spool", CallStore(pool))
    call = new_call("a")
    await spool.keep(Entry(end=CallEnd("a", BEGAN, "x\x00", call=call)))
    await spool.keep(Entry(end=CallEnd("a", BEGAN, "customer-ended-call", call=call)))
    await spool.drain()
    assert dict(await pool.fetchrow(ROW, "a") or {})["ended_reason"] == "customer-ended-call"
    spool.close()
