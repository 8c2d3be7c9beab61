"""Processes that die, or stand still, at a chosen moment: proxies around the pool and the client of Vapi
that count every call, and after a death let nothing of the same process happen any more."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

READS = ("fetch", "fetchrow", "fetchval")
CALLS = (
    *READS,
    "execute",
    "get_phone_number",
    "patch_phone_number",
    "get_assistant",
    "patch_assistant",
    "get_squad",
    "get_workflow",
    "list_phone_numbers_page",
)
LISTS = ("list_assistants", "list_phone_numbers", "list_squads", "list_workflows")


class DeathError(BaseException):
    """The process is gone: no handler for errors may catch this, and no cleanup helps."""


class Fate:
    """Counts calls; at number `at` (from 0), before or after its effect, the process dies, or stands
    still while `meanwhile` happens."""

    def __init__(
        self,
        at: int | None = None,
        *,
        after: bool = False,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.at = at
        self.after = after
        self.meanwhile = meanwhile
        self.calls: list[str] = []
        self.reached = False
        self.dead = False

    async def around(self, name: str, call: Callable[[], Any]) -> Any:
        """One call of the process, with what fate has in store."""
        if self.dead:
            raise DeathError
        mine = len(self.calls) == self.at
        self.calls.append(name)
        if mine and not self.after:
            await self.strike()
        result = await call()
        if mine and self.after:
            await self.strike()
        return result

    async def strike(self) -> None:
        """The moment has come."""
        self.reached = True
        if self.meanwhile is not None:
            await self.meanwhile()
            return
        self.dead = True
        raise DeathError


class Mortal:
    """Looks like what it wraps; its calls are subject to fate."""

    def __init__(self, wrapped: Any, fate: Fate) -> None:
        self._wrapped = wrapped
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._wrapped, name)
        if name in LISTS:
            return self._pages(name, found)
        if name not in CALLS:
            return found

        async def call(*arguments: Any, **named: Any) -> Any:
            return await self._fate.around(name, lambda: found(*arguments, **named))

        return call

    def _pages(self, name: str, found: Any) -> Any:
        """A list whose every page is a call."""

        async def pages(*arguments: Any, **named: Any) -> AsyncIterator[Any]:
            asked = found(*arguments, **named)
            while (page := await self._fate.around(name, lambda: anext(asked, None))) is not None:
                yield page

        return pages
