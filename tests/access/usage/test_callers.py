"""The earlier calls of callers: as many as a replay of all calls finds, in bounded memory."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from policies import CallFacts, OrganizationFacts
from policies.testing import request
from service.access.directory import AccessDirectory
from service.access.usage.caller_feed import TURNS, CallerFeed
from service.access.usage.callers import KEPT, MOST_OF_CALLER, CallerMemory
from service.domain.call_records.details import CallDetails
from service.domain.calls import NewCall
from service.store.calls.records import record_calls
from service.store.pool import Pool
from service.store.usage.callers import CallerCall
from tests.support.calls import new_call, record

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
OWNERS = UUID(int=1), UUID(int=2)
CALLERS = "+15550100200", "001 555 010 0200", "+15550100201", "anonymous", None
INBOUND = "inboundPhoneCall"
ADD = "INSERT INTO callgate.organizations (name) VALUES ('Acme') RETURNING id"


def asked(
    memory: CallerMemory,
    caller: str | None,
    at: datetime,
    call_id: str = "asked",
    zone: str = "UTC",
) -> tuple[int | None, int | None]:
    owner = OrganizationFacts(OWNERS[0], "Acme", time_zone=zone)
    call = CallFacts(call_id, INBOUND, caller, direction="inbound")
    found = memory.complete(request(organization=owner, at=at), call)
    return found.earlier_calls_hour, found.earlier_calls_today


@dataclass(frozen=True)
class Event:
    call_id: str
    owner: UUID
    caller: str | None
    seconds: int
    granted: bool


events = st.lists(
    st.builds(
        Event,
        st.integers(0, 30).map(str),
        st.sampled_from(OWNERS),
        st.sampled_from(CALLERS),
        st.integers(0, 30 * 3600),
        st.booleans(),
    ),
    max_size=40,
    unique_by=lambda one: one.call_id,
)


@settings(max_examples=200, deadline=None)
@given(events, st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Sao_Paulo"]))
def test_the_counts_are_those_of_a_replay(given: list[Event], zone: str) -> None:
    """Each call is decided in turn; what was granted before it in the hour and on its day counts."""
    memory = CallerMemory(loaded=True)
    done: list[tuple[datetime, Event]] = []
    clock = ZoneInfo(zone)
    for event in sorted(given, key=lambda one: one.seconds):
        at = NOW + timedelta(seconds=event.seconds)
        call = CallerCall(event.call_id, event.owner, event.caller, INBOUND, at)
        memory.note(call, at)
        if event.owner == OWNERS[0]:
            own = event.caller and event.caller.replace(" ", "").replace("001", "+1", 1)
            same = [
                then
                for then, one in done
                if one.granted
                and one.owner == event.owner
                and (one.caller or "").replace(" ", "").replace("001", "+1", 1) == own
            ]
            wanted = (
                sum(then > at - timedelta(hours=1) for then in same),
                sum(then.astimezone(clock).date() == at.astimezone(clock).date() for then in same),
            )
            known = own is not None and own.startswith("+")
            found = asked(memory, event.caller, at, event.call_id, zone)
            assert found == (wanted if known else (None, None))
        memory.note(call, at, granted=event.granted)
        memory.forget(at)
        done.append((at, event))


def test_nothing_is_said_before_the_last_day_was_read() -> None:
    assert asked(CallerMemory(), CALLERS[0], NOW) == (None, None)
    assert asked(CallerMemory(loaded=True), CALLERS[0], NOW) == (0, 0)


def test_two_calls_at_once_are_not_both_the_last_one() -> None:
    memory = CallerMemory(loaded=True)
    for place, call_id in enumerate(("first", "second")):
        at = NOW + timedelta(milliseconds=place)
        memory.note(CallerCall(call_id, OWNERS[0], CALLERS[0], INBOUND, at), at)
    assert asked(memory, CALLERS[0], NOW, "first") == (0, 0)
    assert asked(memory, CALLERS[0], NOW, "second") == (1, 1)


def test_memory_is_bounded_and_holds_no_number() -> None:
    memory = CallerMemory(loaded=True, most=50)
    for number in range(200):
        caller = f"+1555010{number:04}"
        memory.note(CallerCall(str(number), OWNERS[0], caller, INBOUND, NOW), NOW)
    assert len(memory.order) == 50
    assert sum(map(len, memory.callers.values())) == 50
    assert "555010" not in repr(memory)
    memory.forget(NOW + KEPT)
    assert not memory.order
    assert not memory.callers


def test_the_calls_of_one_caller_are_bounded() -> None:
    memory = CallerMemory(loaded=True)
    for number in range(MOST_OF_CALLER + 20):
        memory.note(CallerCall(str(number), OWNERS[0], CALLERS[0], INBOUND, NOW), NOW)
    assert asked(memory, CALLERS[0], NOW) == (MOST_OF_CALLER, MOST_OF_CALLER)


def test_only_inbound_calls_of_organizations_count() -> None:
    memory = CallerMemory(loaded=True)
    memory.note(CallerCall("1", OWNERS[0], CALLERS[0], "outboundPhoneCall", NOW), NOW)
    memory.note(CallerCall("2", None, CALLERS[0], INBOUND, NOW), NOW)
    assert not memory.order


@dataclass
class CountingMemory(CallerMemory):
    """Counts what it is given."""

    given: int = 0

    def put(self, read: Iterable[CallerCall]) -> None:
        calls = list(read)
        self.given += len(calls)
        CallerMemory.put(self, calls)


def feed_of(pool: Pool, memory: CallerMemory) -> CallerFeed:
    directory = AccessDirectory()
    directory.loaded = True
    moment = time.monotonic()
    directory.clock.set(datetime.now(UTC), moment, moment)
    return CallerFeed(pool, directory, memory)


def inbound(owner: UUID, call_id: str) -> NewCall:
    details = CallDetails(customer_number=CALLERS[0])
    return new_call(call_id, organization_id=owner, type=INBOUND, details=details)


async def test_a_call_is_read_once_however_late_it_is_committed(pool: Pool) -> None:
    memory = CountingMemory()
    feed = feed_of(pool, memory)
    owner = await pool.fetchval(ADD)
    await feed.turn()
    async with pool.acquire() as connection, connection.transaction():
        await record_calls(connection, [inbound(owner, "slow")])
        await record(pool, inbound(owner, "quick"))
        await feed.turn()
        assert memory.given == 1
    await feed.turn()
    assert len(memory.order) == 2
    given = memory.given
    for _ in range(5):
        await feed.turn()
    assert memory.given == given


async def test_calls_are_found_after_a_failover_that_sets_transactions_back(pool: Pool) -> None:
    memory = CountingMemory()
    feed = feed_of(pool, memory)
    owner = await pool.fetchval(ADD)
    await feed.turn()
    feed.mark = str(int(feed.mark or 0) + 1_000_000)
    await record(pool, inbound(owner, "after"))
    for _ in range(TURNS):
        await feed.turn()
    assert len(memory.order) == 1


async def test_calls_of_other_replicas_are_read(pool: Pool) -> None:
    memory = CallerMemory()
    feed = feed_of(pool, memory)
    directory = feed.directory
    owner = await pool.fetchval(ADD)

    def call(call_id: str, *, allowed: bool = True, **given: object) -> NewCall:
        details = CallDetails(customer_number=CALLERS[0])
        facts = {"organization_id": owner, "type": INBOUND, "details": details, **given}
        return new_call(call_id, allowed=allowed, **facts)

    def count() -> int | None:
        owned = OrganizationFacts(owner, "Acme")
        asks = CallFacts("asked", INBOUND, CALLERS[0], direction="inbound")
        at = directory.now() + timedelta(seconds=1)
        return memory.complete(request(organization=owned, at=at), asks).earlier_calls_hour

    await record(pool, call("before"), call("denied", allowed=False), call("out", type="webCall"))
    assert count() is None
    await feed.turn()
    assert count() == 1
    await record(pool, call("later"), call("elsewhere", organization_id=None))
    await feed.turn()
    await feed.turn()
    assert count() == 2
    await pool.execute("UPDATE callgate.calls SET created_at = created_at - interval '26 hours'")
    again = CallerMemory()
    await CallerFeed(pool, directory, again).turn()
    assert again.loaded
    assert not again.order
