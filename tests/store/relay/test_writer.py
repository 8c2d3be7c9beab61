"""Group commit of lasting messages: a batch that PostgreSQL rejects, and an outage within it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from service.domain.relay.messages import CallLine, ClaimedMessage, KeptMessage
from service.store.pool import Pool
from service.store.relay import messages, states, workers
from service.store.relay.messages import ReturnedCall
from service.store.relay.outcomes import Outcomes
from service.store.relay.writer import ClaimKeeper, MessagesUnavailableError, RelayWriter

FAIL = """
CREATE SEQUENCE callgate.statements;
CREATE FUNCTION callgate.fail() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE code text := ('{{{codes}}}'::text[])[nextval('callgate.statements')];
BEGIN
    IF code <> '' THEN RAISE EXCEPTION 'out of order' USING ERRCODE = code; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER fail BEFORE INSERT ON callgate.relay_messages EXECUTE FUNCTION callgate.fail()
"""
REFUSED, FULL = "22000", "53100"


class Claims(ClaimKeeper):
    """Wants every message. A doubt ends its worker, as it does in a replica."""

    def __init__(self) -> None:
        self.id = uuid4()
        self.taken: list[str] = []
        self.doubts = 0
        self.confirmed: list[CallLine] = []
        self.error: Exception | None = None

    @property
    def worker(self) -> UUID:
        return self.id

    def wants(self, line: CallLine) -> bool:
        return True

    def take(self, message: ClaimedMessage, body: bytes | None) -> None:
        if self.error is not None:
            raise self.error
        self.taken.append(message.webhook_id)

    def confirm(self, line: CallLine) -> None:
        self.confirmed.append(line)

    def park(self, owner: UUID) -> None:
        raise AssertionError(f"No server failed: {owner}.")

    def doubt(self) -> None:
        self.doubts += 1
        self.id = uuid4()


def message(number: int) -> KeptMessage:
    return KeptMessage(UUID(int=1), f"msg_{number}", "a", "hang", "application/json", b"{}")


async def record_three(pool: Pool, claims: Claims, *codes: str) -> list[bool]:
    """Record three messages of a call in one batch; which ones were kept. `codes` are the errors that
    the statements raise, one after the other; "": none."""
    writer = RelayWriter(pool, claims)
    assert await workers.renew(pool, claims.id)
    given = ",".join(f'"{code}"' for code in codes)
    await pool.execute(FAIL.format(codes=given))
    waiting = [writer.record(message(number), 2.0) for number in range(3)]
    async with asyncio.timeout(1):
        found = await asyncio.gather(*waiting, return_exceptions=True)
    assert writer.available is (FULL not in codes)
    assert {type(one) for one in found} <= {type(None), MessagesUnavailableError}
    return [one is None for one in found]


async def rows(pool: Pool) -> list[str]:
    found = await pool.fetch("SELECT webhook_id FROM callgate.relay_messages ORDER BY id")
    return [row["webhook_id"] for row in found]


@pytest.mark.parametrize("at", [0, 1, 2])
async def test_a_message_that_postgresql_rejects_fails_alone(pool: Pool, at: int) -> None:
    claims, codes = Claims(), [REFUSED, "", "", ""]
    codes[at + 1] = REFUSED
    kept = [number != at for number in range(3)]
    assert await record_three(pool, claims, *codes) == kept
    assert await rows(pool) == [f"msg_{number}" for number in range(3) if number != at]
    assert claims.doubts == 0


async def test_an_outage_after_a_rejection_fails_what_is_left_of_the_batch_at_once(
    pool: Pool,
) -> None:
    """What goes elsewhere stays in its order, and a claim that may be committed ends."""
    claims = Claims()
    assert await record_three(pool, claims, REFUSED, "", FULL, "") == [True, False, False]
    assert await rows(pool) == claims.taken == ["msg_0"]
    assert claims.doubts == 1


async def test_what_waits_behind_a_batch_does_not_overtake_it_in_an_outage(pool: Pool) -> None:
    claims = Claims()
    writer = RelayWriter(pool, claims)
    assert await workers.renew(pool, claims.id)
    await pool.execute(FAIL.format(codes=f'"{FULL}",""'))
    first = asyncio.create_task(writer.record(message(0), 2.0))
    while not writer.queue and not first.done():
        await asyncio.sleep(0)
    while writer.queue:
        await asyncio.sleep(0)
    second = asyncio.create_task(writer.record(message(1), 2.0))
    found = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(one) for one in found] == [MessagesUnavailableError] * 2
    assert await rows(pool) == []


async def test_after_an_outage_messages_wait_for_those_in_other_spools(pool: Pool) -> None:
    claims = Claims()
    writer = RelayWriter(pool, claims)
    assert await workers.renew(pool, claims.id)
    writer.resting_until = time.monotonic()
    await writer.record(message(0), 2.0)
    held = "SELECT due_at > now() + interval '1 second' FROM callgate.relay_messages"
    assert (claims.taken, await pool.fetchval(held)) == ([], True)
    writer.resting_until -= messages.HELD_SECONDS
    await pool.execute("DELETE FROM callgate.relay_messages")
    await writer.record(message(1), 2.0)
    assert (claims.taken, await pool.fetchval(held)) == (["msg_1"], False)


async def test_an_error_of_ours_after_a_commit_ends_the_claim(pool: Pool) -> None:
    claims = Claims()
    claims.error = ZeroDivisionError()
    writer = RelayWriter(pool, claims)
    assert await workers.renew(pool, claims.id)
    with pytest.raises(MessagesUnavailableError):
        await writer.record(message(0), 2.0)
    assert (await rows(pool), claims.doubts) == (["msg_0"], 1)


async def test_an_error_of_ours_while_claiming_ends_the_claims(pool: Pool) -> None:
    claims = Claims()
    writer = RelayWriter(pool, claims)
    with pytest.raises(ZeroDivisionError):
        async with writer.claiming():
            raise ZeroDivisionError
    assert claims.doubts == 1
    async with asyncio.timeout(1), writer.claiming():
        pass
    assert claims.doubts == 1


async def test_calls_whose_return_is_refused_may_be_claimed_anew(pool: Pool) -> None:
    """Their claims end with the worker; else all that arrives of them would be given back unwritten."""
    claims = Claims()
    writer = RelayWriter(pool, claims)
    await pool.execute("ALTER TABLE callgate.relay_messages RENAME TO elsewhere")
    writer.outcomes.returned.append(ReturnedCall(UUID(int=1), "a", claims.worker))
    await writer.flush()
    assert (claims.doubts, claims.confirmed) == (1, [(UUID(int=1), "a")])
    assert not writer.outcomes


class CutAfter:
    """A pool whose PostgreSQL is away after the first statement."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.used = pool, False

    async def fetch(self, *given: Any) -> Any:
        return await self.once(self.pool.fetch, given)

    async def execute(self, *given: Any) -> Any:
        return await self.once(self.pool.execute, given)

    async def once(self, work: Callable[..., Any], given: tuple[Any, ...]) -> Any:
        if self.used:
            raise ConnectionError
        self.used = True
        return await work(*given)


async def test_failures_are_counted_once_over_an_outage(pool: Pool) -> None:
    owner = await pool.fetchval(
        "INSERT INTO callgate.organizations (name, forward_url) "
        "VALUES ('Bakery', 'https://bakery.example.com') RETURNING id"
    )
    writer = RelayWriter(pool, Claims())
    writer.outcomes.failures[owner] = (6, "no")
    writer.pool = cast("Pool", CutAfter(pool))
    await writer.flush()
    writer.pool = pool
    await writer.flush()
    assert await pool.fetchval("SELECT failures FROM callgate.relay_states") == 6
    assert await states.list_parked(pool) == set()


def test_a_success_forgets_the_failures_that_wait_for_postgresql() -> None:
    """Written late, they would park a server that takes its messages."""
    owner, other = UUID(int=1), UUID(int=2)
    failures = {owner: (10, "no"), other: (2, "no")}
    waiting, later = Outcomes(failures=dict(failures)), Outcomes()
    later.note_delivered(owner, 11, "msg_1")
    waiting.merge(later)
    assert waiting.failures == {owner: (0, "no"), other: (2, "no")}
    waiting, later.failures = Outcomes(failures=dict(failures)), {owner: (1, "a"), other: (3, "b")}
    waiting.merge(later)
    assert waiting.failures == {owner: (1, "a"), other: (5, "b")}
