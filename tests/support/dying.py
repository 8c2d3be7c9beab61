"""Processes that die at a chosen moment: proxies around the pool and the client of Vapi that let the
k-th call through, or not, and then let nothing of the same process happen any more."""

from collections.abc import Callable
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


class DeathError(BaseException):
    """The process is gone: no handler for errors may catch this, and no cleanup helps."""


class Fate:
    """Counts calls, and kills at number `at` (from 0), before or after its effect."""

    def __init__(self, at: int | None = None, *, after: bool = False) -> None:
        self.at = at
        self.after = after
        self.calls: list[str] = []
        self.dead = False

    async def around(self, name: str, call: Callable[[], Any]) -> Any:
        """One call of the process, with what fate has in store."""
        if self.dead:
            raise DeathError
        place = len(self.calls)
        self.calls.append(name)
        if place == self.at and not self.after:
            self.dead = True
            raise DeathError
        result = await call()
        if place == self.at:
            self.dead = True
            raise DeathError
        return result


class Mortal:
    """Looks like what it wraps; its calls are subject to fate."""

    def __init__(self, wrapped: Any, fate: Fate) -> None:
        self._wrapped = wrapped
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._wrapped, name)
        if name not in CALLS:
            return found

        async def call(*arguments: Any, **named: Any) -> Any:
            return await self._fate.around(name, lambda: found(*arguments, **named))

        return call
