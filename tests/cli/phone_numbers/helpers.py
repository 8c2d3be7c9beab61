"""`callgate numbers import` in a process of its own, or in this one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from service.store.pool import Pool

COMMAND = ("numbers", "import")


HEADER = "phone_number,organization,label,gate\n"


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)


Run = Callable[..., Awaitable[Done]]


async def count(pool: Pool) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM callgate.phone_numbers"))
