"""Reading the answer of an organization's server. A parser holds the interpreter while it runs, so an
answer of many small values is counted in a process beside the service first."""

import asyncio
from dataclasses import dataclass

import orjson

from service.beside import BesideError, WorkProcess

MOST_VALUES = 40_000
"""An answer with more values is unusable: parsing it would delay all callers by over 5 ms."""
COUNT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RelayAnswer:
    """What the server answered, whole: a status of 2xx or 4xx, the content type, the body."""

    status: int
    content_type: str | None
    body: bytes


class AnswerReader:
    """Parses answers. Of each organization (`turn`) one is counted at a time."""

    def __init__(self) -> None:
        self.beside = WorkProcess(count_values, COUNT_SECONDS)

    async def read(self, content: bytes, turn: asyncio.Lock) -> dict[str, object] | None:
        """The answer; None if Vapi could not use it."""
        if not content:
            return {}
        if most_values(content) > MOST_VALUES:
            async with turn:
                if not await self.is_small(content):
                    return None
        try:
            value = orjson.loads(content)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    async def is_small(self, content: bytes) -> bool:
        try:
            return int(await self.beside.run(content)) <= MOST_VALUES
        except BesideError:
            return False

    async def close(self) -> None:
        """End the process."""
        await self.beside.close()


def most_values(content: bytes) -> int:
    """How many values a JSON text has at most: commas within texts count as well."""
    return 1 + sum(content.count(mark) for mark in (b",", b"[", b"{"))


def count_values(content: bytes) -> bytes:
    """How many values a JSON text has, in digits; one more than allowed if it is not JSON."""
    try:
        waiting, count = [orjson.loads(content)], 0
    except ValueError:
        return str(MOST_VALUES + 1).encode()
    while waiting:
        count += 1
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return str(count).encode()
