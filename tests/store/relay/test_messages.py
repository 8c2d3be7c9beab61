"""The tables of the relay: who may claim what, in which order, and what is dropped."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from service.domain.relay.messages import ClaimedMessage, KeptMessage
from service.store.pool import Pool
from service.store.relay import bounds, messages, replays, states, workers
from service.store.relay.messages import ReturnedCall

NOW = datetime.now(UTC)


@pytest.fixture
async def owner(pool: Pool) -> UUID:
    return await add_owner(pool)


async def add_owner(pool: Pool) -> UUID:
    found: UUID = await pool.fetchval(
        "INSERT INTO callgate.organizations (name, forward_url) "
        "VALUES ('Bakery', 'https://bakery.example.com') RETURNING id"
    )
    return found


async def worker(pool: Pool) -> UUID:
    found = uuid4()
    assert await workers.renew(pool, found)
    return found


def kept(owner: UUID, text: str, call: str = "a", *, at: datetime | None = None) -> KeptMessage:
    return KeptMessage(
        owner, f"msg_{text}", call, "hang", "application/json", text.encode(), None, at
    )


async def put(pool: Pool, claims: UUID, *given: KeptMessage, wanted: bool = True) -> list[bool]:
    """Keep messages one after the other; whether each is claimed."""
    found = []
    for message in given:
        made = await messages.insert(pool, claims, [(message, wanted)])
        found.append(made[message.organization_id, message.webhook_id].claimed)
    return found


async def claim(pool: Pool, claims: UUID) -> list[str]:
    return names(await messages.claim_due(pool, claims, busy=(), calls=10, most=100, behind=10))


def names(found: list[ClaimedMessage]) -> list[str]:
    return [one.webhook_id.removeprefix("msg_") for one in found]


async def free(pool: Pool) -> None:
    await pool.execute("DELETE FROM callgate.relay_workers")
    await workers.free_orphaned(pool)


async def test_a_repeated_message_is_kept_once(pool: Pool, owner: UUID) -> None:
    one = await worker(pool)
    assert await put(pool, one, kept(owner, "1")) == [True]
    assert await messages.insert(pool, one, [(kept(owner, "1"), True)]) == {}


async def test_the_spools_of_two_replicas_keep_the_order_of_a_call(pool: Pool, owner: UUID) -> None:
    """The one that is emptied first has the later message."""
    one, held = await worker(pool), messages.HELD_SECONDS
    for text in ("2", "1"):
        message = kept(owner, text, at=NOW + timedelta(seconds=int(text)))
        await messages.insert(pool, uuid4(), [(message, False)], held_seconds=held)
        assert await claim(pool, one) == []
    await pool.execute("UPDATE callgate.relay_messages SET due_at = due_at - interval '3 seconds'")
    assert await claim(pool, one) == ["1", "2"]


async def test_a_call_belongs_to_the_worker_that_holds_all_of_it(pool: Pool, owner: UUID) -> None:
    one, other = await worker(pool), await worker(pool)
    assert await put(pool, one, kept(owner, "1"), kept(owner, "2")) == [True, True]
    assert await put(pool, other, kept(owner, "3")) == [False]
    assert await put(pool, one, kept(owner, "4")) == [False]
    assert await put(pool, other, kept(owner, "5", "b")) == [True]
    assert await claim(pool, other) == []


async def test_only_a_living_worker_claims(pool: Pool, owner: UUID) -> None:
    assert await put(pool, uuid4(), kept(owner, "1")) == [False]
    assert await claim(pool, uuid4()) == []
    assert await claim(pool, await worker(pool)) == ["1"]


async def test_a_dead_workers_calls_are_taken_over_in_their_order(pool: Pool, owner: UUID) -> None:
    one, other = await worker(pool), await worker(pool)
    await put(pool, one, kept(owner, "1"), kept(owner, "2"))
    await put(pool, other, kept(owner, "3"))
    await pool.execute("UPDATE callgate.relay_workers SET alive_until = now() WHERE id = $1", one)
    assert await workers.delete_dead(pool)
    await workers.free_orphaned(pool)
    assert await claim(pool, other) == ["1", "2", "3"]
    assert await put(pool, one, kept(owner, "4")) == [False]


async def test_a_lease_that_was_over_is_not_renewed(pool: Pool) -> None:
    one = await worker(pool)
    assert await workers.renew(pool, one)
    await pool.execute("UPDATE callgate.relay_workers SET alive_until = clock_timestamp()")
    assert not await workers.renew(pool, one)


async def test_what_was_spooled_earlier_comes_first(pool: Pool, owner: UUID) -> None:
    await put(pool, uuid4(), kept(owner, "2"))
    await put(pool, uuid4(), kept(owner, "1", at=NOW - timedelta(hours=1)))
    assert await claim(pool, await worker(pool)) == ["1", "2"]


async def test_a_failed_call_waits_with_what_is_behind_it(pool: Pool, owner: UUID) -> None:
    one = await worker(pool)
    await put(pool, one, kept(owner, "1"), kept(owner, "2"), kept(owner, "3", "b"))
    ids = await pool.fetch("SELECT id FROM callgate.relay_messages ORDER BY id")
    failed = ReturnedCall(owner, "a", one, ids[0]["id"], 60.0, "It answered with status 500.")
    await messages.give_back(pool, [failed])
    assert await put(pool, one, kept(owner, "4")) == [False]
    assert await claim(pool, one) == []
    await pool.execute("UPDATE callgate.relay_messages SET due_at = now()")
    (first, *_) = found = await messages.claim_due(
        pool, one, busy=(), calls=10, most=100, behind=10
    )
    assert (names(found), first.attempts) == (["1", "2", "4"], 1)


async def test_two_workers_never_share_a_call(pool: Pool, owner: UUID) -> None:
    one, other = await worker(pool), await worker(pool)
    for call in "abcdef":
        given = [kept(owner, f"{call}{number}", call) for number in range(3)]
        await put(pool, uuid4(), *given)
    first = await messages.claim_due(pool, one, busy=(), calls=3, most=100, behind=10)
    second = await messages.claim_due(pool, other, busy=(), calls=10, most=100, behind=10)
    assert len(first) == len(second) == 9
    assert {one.vapi_call_id for one in first} & {one.vapi_call_id for one in second} == set()


async def test_each_organization_gets_its_turn(pool: Pool, owner: UUID) -> None:
    other = await add_owner(pool)
    for call in range(20):
        await put(pool, uuid4(), kept(owner, f"busy{call}", str(call)))
    await put(pool, uuid4(), kept(other, "quiet"))
    found = await messages.claim_due(pool, await worker(pool), busy=(), calls=10, most=4, behind=10)
    assert "quiet" in names(found)
    rest = await messages.claim_due(
        pool, await worker(pool), busy=[owner], calls=10, most=100, behind=10
    )
    assert rest == []


async def test_a_parked_server_gets_one_probe_after_its_pause(pool: Pool, owner: UUID) -> None:
    one = await worker(pool)
    await put(pool, uuid4(), kept(owner, "1"), kept(owner, "2", "b"))
    assert await states.fail(pool, {owner: (9, "no")}) == []
    assert await states.fail(pool, {owner: (1, "no")}) == [owner]
    assert await states.list_parked(pool) == {owner}
    assert await claim(pool, one) == []
    assert await messages.claim_probes(pool, one, 30.0) == []
    await pool.execute("UPDATE callgate.relay_states SET probe_at = now()")
    assert names(await messages.claim_probes(pool, one, 30.0)) == ["1"]
    assert await messages.claim_probes(pool, one, 30.0) == []
    await states.note_failed_probes(pool, [owner])
    pause = await pool.fetchval("SELECT probe_at - now() FROM callgate.relay_states")
    assert timedelta(seconds=9) < pause <= timedelta(seconds=10)
    assert await states.succeed(pool, [owner]) == [owner]
    assert await claim(pool, one) == ["2"]


class LostSoon:
    """A pool whose PostgreSQL is away after one statement."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.left = 1

    async def fetch(self, *given: Any) -> Any:
        return await self.pool.fetch(*self.spend(given))

    async def execute(self, *given: Any) -> Any:
        return await self.pool.execute(*self.spend(given))

    def spend(self, given: tuple[Any, ...]) -> tuple[Any, ...]:
        if not self.left:
            raise ConnectionError
        self.left -= 1
        return given


async def test_what_waits_for_a_server_is_due_once_it_resumes_even_over_an_outage(
    pool: Pool, owner: UUID
) -> None:
    """The writer tries again what PostgreSQL did not confirm."""
    one, losing = await worker(pool), LostSoon(pool)
    await put(pool, uuid4(), kept(owner, "1"))
    await pool.execute("UPDATE callgate.relay_messages SET due_at = now() + interval '1 hour'")
    await states.fail(pool, {owner: (10, "no")})
    with suppress(ConnectionError):
        await states.succeed(cast("Pool", losing), [owner])
    await states.succeed(pool, [owner])
    assert await claim(pool, one) == ["1"]


async def probe(pool: Pool, worker_id: UUID) -> list[ClaimedMessage]:
    """The probes that a worker claims once the pause is over."""
    await pool.execute("UPDATE callgate.relay_states SET probe_at = now()")
    return await messages.claim_probes(pool, worker_id, 30.0)


async def test_a_message_that_is_never_taken_is_not_always_the_probe(
    pool: Pool, owner: UUID
) -> None:
    one = await worker(pool)
    await put(pool, uuid4(), kept(owner, "1"), kept(owner, "2", "b"), kept(owner, "3"))
    await states.fail(pool, {owner: (10, "no")})
    (poison,) = await probe(pool, one)
    assert poison.webhook_id == "msg_1"
    await messages.give_back(pool, [ReturnedCall(owner, "a", one, poison.id, 5.0, "no")])
    assert names(await probe(pool, one)) == ["2"]


async def test_a_probe_never_overtakes_an_earlier_message_of_its_call(
    pool: Pool, owner: UUID
) -> None:
    one, other = await worker(pool), await worker(pool)
    assert await put(pool, one, kept(owner, "1")) == [True]
    assert await put(pool, other, kept(owner, "2")) == [False]
    await states.fail(pool, {owner: (10, "no")})
    assert await probe(pool, other) == []
    # No probe is under way, so the next one does not wait for it.
    assert await put(pool, uuid4(), kept(owner, "3", "b")) == [False]
    assert names(await messages.claim_probes(pool, other, 30.0)) == ["3"]


async def test_another_url_starts_without_failures(pool: Pool, owner: UUID) -> None:
    await put(pool, uuid4(), kept(owner, "1"))
    await states.fail(pool, {owner: (10, "no")})
    await pool.execute("UPDATE callgate.organizations SET forward_url = 'https://new.example.com'")
    assert await claim(pool, await worker(pool)) == ["1"]
    await free(pool)
    await pool.execute("UPDATE callgate.organizations SET forward_url = NULL")
    assert await claim(pool, await worker(pool)) == []


async def test_the_oldest_are_dropped_beyond_the_bounds_and_counted(
    pool: Pool, owner: UUID
) -> None:
    for number in range(6):
        await put(pool, uuid4(), kept(owner, f"{number}" * 100, str(number)))
    assert await bounds.count_waiting(pool) == {owner: (6, 600)}
    assert await bounds.drop_surplus(pool, owner, 4, 10**6) == 2
    assert await bounds.drop_surplus(pool, owner, 10, 250) == 2
    assert await bounds.drop_surplus(pool, owner, 10, 250) == 0
    left = await claim(pool, await worker(pool))
    assert sorted(name[0] for name in left) == ["4", "5"]
    assert (await states.find(pool, owner)).dropped == 4
    async with pool.acquire() as connection:
        assert await replays.replay(connection, owner, NOW - timedelta(days=1), None) == 0


async def test_messages_end_after_three_days_and_are_deleted(pool: Pool, owner: UUID) -> None:
    await put(pool, uuid4(), kept(owner, "old", at=NOW - timedelta(days=3, hours=1)))
    await put(pool, uuid4(), kept(owner, "new"))
    assert await bounds.expire(pool) == 1
    assert await claim(pool, await worker(pool)) == ["new"]
    await pool.execute(bounds.DELETE, bounds.KEPT.total_seconds(), 100)
    assert await pool.fetchval("SELECT count(*) FROM callgate.relay_messages") == 1


async def test_what_is_claimed_ends_only_when_it_itself_was_delivered(
    pool: Pool, owner: UUID
) -> None:
    one = await worker(pool)
    assert await put(pool, one, kept(owner, "1", at=NOW - timedelta(days=3, hours=1))) == [True]
    assert await bounds.drop_surplus(pool, owner, 0, 0) + await bounds.expire(pool) == 0
    row, outcome = await pool.fetchval("SELECT id FROM callgate.relay_messages"), []
    for webhook_id in ("msg_of_before_a_failover", "msg_1"):
        await messages.finish(pool, [(row, webhook_id)])
        outcome += [await pool.fetchval("SELECT outcome FROM callgate.relay_messages")]
    assert outcome == [None, "delivered"]


async def test_a_deleted_organization_leaves_no_message_behind(pool: Pool, owner: UUID) -> None:
    await put(pool, uuid4(), kept(owner, "1"))
    await states.fail(pool, {owner: (1, "no")})
    await pool.execute("DELETE FROM callgate.organizations")
    assert await pool.fetchval("SELECT count(*) FROM callgate.relay_messages") == 0
    assert await pool.fetchval("SELECT count(*) FROM callgate.relay_states") == 0
