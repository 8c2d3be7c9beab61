"""The live feed: what changed, from any place on, in any replica, with PostgreSQL away and back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

import service.store
from service.admin.calls import feed as call_feed
from service.admin.calls.feed import CallFeed, FeedItem, FeedListener
from service.background import BackgroundLoop
from service.domain.calls import CallEnd
from service.store.calls.ends import record_end
from service.store.pool import Pool
from tests.support.calls import AT, new_call, record


async def take(listener: FeedListener, seconds: float = 5.0) -> FeedItem:
    async with asyncio.timeout(seconds):
        return await listener.queue.get()


def told(item: FeedItem) -> tuple[str, str | None]:
    return item.kind, item.summary.call.vapi_call_id if item.summary else None


@asynccontextmanager
async def running(feed: CallFeed) -> AsyncIterator[BackgroundLoop]:
    """The feed as a replica runs it."""
    loop = feed.background()
    loop.start()
    try:
        yield loop
    finally:
        await loop.stop()


async def test_new_changed_and_ended_calls_arrive_in_every_replica(pool: Pool) -> None:
    one, two = CallFeed(pool), CallFeed(pool)
    async with running(one), running(two), one.listen() as first, two.listen() as second:
        await asyncio.sleep(0.1)
        await record(pool, new_call("a", organization_id=uuid4()))
        for listener in (first, second):
            assert told(await take(listener)) == ("call", "a")
        await record_end(pool, CallEnd("a", AT, "hung up"))
        item = await take(first)
        assert item.summary is not None
        assert item.summary.call.status == "ended"


async def test_who_comes_back_gets_what_was_missed(pool: Pool) -> None:
    feed = CallFeed(pool)
    place = await feed.place()
    await record(pool, new_call("a"), new_call("b"))
    async with feed.listen(place) as listener:
        found = [await take(listener) for _ in range(2)]
    assert [told(item) for item in found] == [("call", "a"), ("call", "b")]
    async with feed.listen(found[-1].place) as listener:
        # Late commits are looked for: told again, never left out.
        assert {told(await take(listener))[1] for _ in range(2)} == {"a", "b"}


async def test_a_row_that_is_committed_late_is_not_missed(pool: Pool) -> None:
    feed = CallFeed(pool)
    await record(pool, new_call("late"))
    async with running(feed), feed.listen() as listener, pool.acquire() as slow:
        assert told(await take(listener)) == ("call", "late")
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute("UPDATE callgate.calls SET updated_at = now()")
        await record(pool, new_call("early"))
        assert told(await take(listener)) == ("call", "early")
        await transaction.commit()
        assert told(await take(listener)) == ("call", "late")


async def test_too_much_is_not_told_but_loaded(pool: Pool) -> None:
    feed = CallFeed(pool, most=2)
    place = await feed.place()
    await record(pool, *(new_call(str(n)) for n in range(3)))
    for since in (place, "no place", "9" * 40):
        async with feed.listen(since) as listener:
            assert told(await take(listener)) == ("reload", None)


def test_a_slow_listener_is_bounded_and_told_to_begin_anew() -> None:
    listener = FeedListener()
    for _ in range(2 * call_feed.MOST + 1):
        listener.put(FeedItem("call"))
    assert [told(listener.queue.get_nowait())] == [("reload", None)]
    assert listener.queue.empty()


async def test_the_feed_asks_postgresql_only_while_there_are_listeners(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed, looks = CallFeed(pool), 0
    poll_once = feed.poll_once

    async def counted() -> None:
        nonlocal looks
        looks += 1
        await poll_once()

    monkeypatch.setattr(feed, "poll_once", counted)
    async with running(feed):
        await asyncio.sleep(0.7)
        assert looks == 0
        async with feed.listen():
            async with asyncio.timeout(5):
                while looks < 2:
                    await asyncio.sleep(0.01)
        await asyncio.sleep(0.7)
        after = looks
        await asyncio.sleep(0.7)
        assert looks == after


async def test_an_outage_is_told_once_and_its_end_too(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = CallFeed(pool)
    poll_once, away = feed.poll_once, True

    async def cut() -> None:
        if away:
            raise ConnectionError
        await poll_once()

    monkeypatch.setattr(feed, "poll_once", cut)
    async with running(feed) as loop, feed.listen() as listener:
        assert told(await take(listener)) == ("away", None)
        async with asyncio.timeout(5):
            while loop.restarts < 2:
                await asyncio.sleep(0.01)
        assert listener.queue.empty()
        away = False
        assert told(await take(listener)) == ("back", None)


def test_every_update_of_a_call_says_when() -> None:
    folder = Path(service.store.__file__).parent
    for path in folder.glob("*.py"):
        for part in path.read_text().split("UPDATE callgate.calls SET")[1:]:
            statement = part.partition('"""')[0]
            assert "updated_at = now()" in statement, path
