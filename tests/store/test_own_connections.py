"""Connections of one's own: an answer that is late ends the connection, and nothing waits for it."""

import asyncio
import time

import pytest

from service.store.own_connections import FIRST_SECONDS, MOST_SECONDS, OwnConnection, Patience
from service.store.pool import UNAVAILABLE, Connection
from tests.support.tcp_proxy import named, proxied


async def ask_one(own: OwnConnection) -> object:
    return await own.ask(lambda one: one.fetchval("SELECT 1"))


async def test_a_half_open_connection_is_abandoned_and_replaced(dsn: str) -> None:
    async with proxied(dsn) as proxy:
        own = OwnConnection(proxy.dsn, "own")
        assert await ask_one(own) == 1
        first = own.connection
        harmed = set(proxy.connections)
        with proxy.fault("black_hole", lambda one: one in harmed):
            began = time.monotonic()
            with pytest.raises(TimeoutError):
                await ask_one(own)
            assert time.monotonic() - began < MOST_SECONDS
            assert await ask_one(own) == 1
        assert own.connection is not first
        own.drop()


async def test_opening_a_connection_has_a_deadline(dsn: str) -> None:
    async with proxied(dsn) as proxy:
        own = OwnConnection(proxy.dsn, "own")
        with proxy.fault("black_hole", named("own")), pytest.raises(UNAVAILABLE):
            await ask_one(own)
        assert own.connection is None


async def test_cancelling_a_question_drops_the_connection_at_once(dsn: str) -> None:
    own = OwnConnection(dsn, "own")
    held: list[Connection] = []

    def sleep(connection: Connection) -> "asyncio.Future[object]":
        held.append(connection)
        return asyncio.ensure_future(connection.fetchval("SELECT pg_sleep(30)"))

    asking = asyncio.create_task(own.ask(sleep))
    while not held:
        await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert held[0].is_closed()
    assert own.connection is None


async def test_questions_at_once_take_turns(dsn: str) -> None:
    """A full read of the directory asks as well while changes are read."""
    own = OwnConnection(dsn, "own")
    await ask_one(own)
    first = own.connection
    slow = own.ask(lambda one: one.fetchval("SELECT pg_sleep(0.02)"))
    answers = await asyncio.gather(slow, ask_one(own), ask_one(own), return_exceptions=True)
    assert not [one for one in answers if isinstance(one, BaseException)]
    assert own.connection is first
    own.drop()


async def test_the_first_questions_at_once_open_one_connection(dsn: str) -> None:
    own = OwnConnection(dsn, "own")
    seen = set[Connection]()

    async def look(connection: Connection) -> None:
        seen.add(connection)

    await asyncio.gather(own.ask(look), own.ask(look))
    assert seen == {own.connection}
    own.drop()


def test_patience_follows_what_answers_take() -> None:
    patience = Patience()
    for _ in range(9):
        patience.fail()
    assert patience.seconds == MOST_SECONDS
    patience.succeed(0.01)
    assert patience.seconds == FIRST_SECONDS
    patience.succeed(0.8)
    assert FIRST_SECONDS < patience.seconds < MOST_SECONDS


async def test_a_loop_that_was_held_up_is_not_taken_for_a_dead_connection(dsn: str) -> None:
    """The statement is new, so it takes two round trips: one before and one after the hold-up."""
    own = OwnConnection(dsn, "own")
    await ask_one(own)

    async def hold_up() -> None:
        await asyncio.sleep(0)
        time.sleep(FIRST_SECONDS + 0.1)  # noqa: ASYNC251 - nothing else holds up a loop

    holding = asyncio.create_task(hold_up())
    assert await own.ask(lambda one: one.fetchval("SELECT 2")) == 2
    await holding
    own.drop()
