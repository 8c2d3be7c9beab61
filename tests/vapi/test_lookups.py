"""Look-ups of names, at a real name server on loopback."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from service.vapi.lookups import LIMIT_SECONDS, Lookups
from tests.support.name_server import NameServer, name_server

Make = Callable[..., Lookups]


@pytest.fixture
async def names() -> AsyncIterator[NameServer]:
    addresses = {"api.vapi.ai": "8.8.4.4", "a.example": "8.8.8.8", "six.example": "2606:4700::1"}
    async with name_server(addresses, silent=(".hangs",)) as server:
        yield server


@pytest.fixture
async def make(names: NameServer) -> AsyncIterator[Make]:
    """Makes resolvers that ask the name server."""
    async with AsyncExitStack() as stack:

        def build(**options: Any) -> Lookups:
            made = Lookups([names.address], **options)
            stack.push_async_callback(made.close)
            return made

        yield build


async def hosts(resolver: Lookups, name: str) -> list[str]:
    return [entry["host"] for entry in await resolver.resolve(name, 443, socket.AF_UNSPEC)]


async def test_a_name_is_resolved_to_its_addresses_and_the_port(make: Make) -> None:
    found = await make().resolve("A.example", 443, socket.AF_UNSPEC)
    assert [(entry["hostname"], entry["host"], entry["port"]) for entry in found] == [
        ("A.example", "8.8.8.8", 443)
    ]
    assert await hosts(make(), "six.example") == ["2606:4700::1"]
    assert "127.0.0.1" in await hosts(make(), "localhost")


async def test_simultaneous_look_ups_of_a_name_are_one(make: Make, names: NameServer) -> None:
    resolver = make()
    await asyncio.gather(*(hosts(resolver, "a.example") for _ in range(20)))
    await hosts(resolver, "a.example")
    assert names.asked["a.example"] == 2  # A and AAAA


async def test_a_missing_name_is_remembered_as_missing(make: Make, names: NameServer) -> None:
    resolver = make()
    for _ in range(3):
        with pytest.raises(OSError, match="no address"):
            await hosts(resolver, "missing.example")
    asked = names.asked["missing.example"]
    names.addresses["missing.example"] = "8.8.8.8"
    with pytest.raises(OSError, match="no address"):
        await hosts(resolver, "missing.example")
    assert names.asked["missing.example"] == asked


async def test_a_look_up_that_hangs_ends_in_time_and_is_remembered(
    make: Make, names: NameServer
) -> None:
    resolver = make()
    began = time.monotonic()
    with pytest.raises(OSError, match="failed"):
        await hosts(resolver, "a.hangs")
    assert time.monotonic() - began < LIMIT_SECONDS + 0.5
    asked, began = names.asked["a.hangs"], time.monotonic()
    with pytest.raises(OSError, match="failed"):
        await hosts(resolver, "a.hangs")
    assert time.monotonic() - began < 1.5
    assert names.asked["a.hangs"] == asked


async def test_names_that_hang_delay_no_other(make: Make, names: NameServer) -> None:
    resolver, other = make(), make()
    hanging = [asyncio.create_task(hosts(resolver, f"host-{i}.hangs")) for i in range(100)]
    await asyncio.sleep(0.05)
    began = time.monotonic()
    assert await hosts(resolver, "a.example") == ["8.8.8.8"]
    assert await hosts(other, "a.example") == ["8.8.8.8"]
    assert time.monotonic() - began < 1.5
    ended = await asyncio.gather(*hanging, return_exceptions=True)
    assert all(isinstance(outcome, OSError) for outcome in ended)


async def test_the_last_good_answer_counts_while_the_name_service_is_away(
    make: Make, names: NameServer
) -> None:
    kept, plain = make(keep_last=True, good_seconds=0), make(good_seconds=0)
    for resolver in (kept, plain):
        assert await hosts(resolver, "api.vapi.ai") == ["8.8.4.4"]
    names.silent = ("vapi.ai",)
    began = time.monotonic()
    assert await hosts(kept, "api.vapi.ai") == ["8.8.4.4"]
    assert time.monotonic() - began < 1.0
    await asyncio.sleep(LIMIT_SECONDS)
    assert await hosts(kept, "api.vapi.ai") == ["8.8.4.4"]
    with pytest.raises(OSError, match="failed"):
        await hosts(plain, "api.vapi.ai")


async def test_the_last_good_answer_ends_with_the_name(make: Make, names: NameServer) -> None:
    resolver = make(keep_last=True, good_seconds=0)
    assert await hosts(resolver, "api.vapi.ai") == ["8.8.4.4"]
    del names.addresses["api.vapi.ai"]
    with pytest.raises(OSError, match="no address"):
        await hosts(resolver, "api.vapi.ai")


async def test_a_caller_that_leaves_does_not_end_the_look_up(make: Make, names: NameServer) -> None:
    resolver = make()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await hosts(resolver, "a.hangs")
    assert len(resolver.running) == 1
    await resolver.close()
    assert not resolver.running


async def test_the_names_that_are_remembered_are_bounded(make: Make) -> None:
    resolver = make(most_names=3)
    for index in range(5):
        with pytest.raises(OSError, match="no address"):
            await hosts(resolver, f"host-{index}.example")
    assert len(resolver.answers) == 3
