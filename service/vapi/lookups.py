"""Look-ups of names by aiodns: bounded in time, remembered, and never in the shared thread pool.

Clients' hosts, Vapi's API and the control hosts have one `Lookups` each, so that no name that hangs
delays another.
"""

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from aiodns import error
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import AsyncResolver

LIMIT_SECONDS = 2.0
PATIENCE_SECONDS = 0.3
"""How long a look-up may take where the last good answer can be used instead."""
GOOD_SECONDS = 10.0
FAILED_SECONDS = 5.0
MOST_NAMES = 10_000
TRY_SECONDS = 0.8
TRIES = 2

NO_SUCH_NAME = (error.ARES_ENODATA, error.ARES_ENOTFOUND)
"""Answers of a name service that works: the name has no address."""

Name = tuple[str, socket.AddressFamily]

log = structlog.get_logger()


@dataclass(slots=True)
class LookupAnswer:
    """The last answer for a name. `addresses` may be older than the failure in `failure`."""

    addresses: list[ResolveResult] = field(default_factory=list)
    failure: str = ""
    until: float = 0.0


class Lookups(AbstractResolver):
    """Resolves names; one look-up of a name at a time, for all that ask.

    A failure is remembered for `FAILED_SECONDS`. With `keep_last` the last good answer of a name
    counts while the name service does not answer, but not when it answers that the name is gone.
    Create it inside the running event loop. `name_servers` replace those of the system.
    """

    def __init__(
        self,
        name_servers: Sequence[str] = (),
        *,
        keep_last: bool = False,
        good_seconds: float = GOOD_SECONDS,
        most_names: int = MOST_NAMES,
    ) -> None:
        self.keep_last = keep_last
        self.good_seconds = good_seconds
        self.most_names = most_names
        # With arguments of its own, a resolver of aiohttp shares its channel with no other.
        self.inner = AsyncResolver(nameservers=list(name_servers), timeout=TRY_SECONDS, tries=TRIES)
        self.answers: OrderedDict[Name, LookupAnswer] = OrderedDict()
        self.running: dict[Name, asyncio.Task[None]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name; raises `OSError` after at most `LIMIT_SECONDS`."""
        name = (host.lower().rstrip("."), family)
        answer = self.answer_of(name)
        if time.monotonic() >= answer.until:
            await self.refresh(name, answer)
        if answer.failure and not (self.keep_last and answer.addresses):
            raise OSError(None, answer.failure)
        if not answer.addresses:
            raise OSError(None, "The name service does not answer.")
        return [
            ResolveResult(**{**entry, "hostname": host, "port": port}) for entry in answer.addresses
        ]

    def answer_of(self, name: Name) -> LookupAnswer:
        """The answer to fill; those that were not used for longest go first."""
        answer = self.answers.setdefault(name, LookupAnswer())
        self.answers.move_to_end(name)
        if len(self.answers) > self.most_names:
            self.answers.popitem(last=False)
        return answer

    async def refresh(self, name: Name, answer: LookupAnswer) -> None:
        """Wait for a look-up, not for longer than it is worth; it goes on without the caller."""
        task = self.running.get(name)
        if task is None:
            task = asyncio.create_task(self.look_up(name, answer))
            self.running[name] = task
            task.add_done_callback(lambda _task: self.running.pop(name, None))
        usable = self.keep_last and bool(answer.addresses)
        await asyncio.wait({task}, timeout=PATIENCE_SECONDS if usable else None)

    async def look_up(self, name: Name, answer: LookupAnswer) -> None:
        """Ask the name servers, and record the answer."""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                answer.addresses = await self.inner.resolve(name[0], 0, name[1])
        except (OSError, ValueError) as exc:
            cause = exc.__cause__
            gone = isinstance(cause, error.DNSError) and cause.args[0] in NO_SUCH_NAME
            if gone or not self.keep_last:
                answer.addresses = []
            elif answer.addresses and not answer.failure:
                log.warning("lookup.last_answer_used", host=name[0])
            answer.failure = "The name has no address." if gone else "The name look-up failed."
            answer.until = time.monotonic() + FAILED_SECONDS
        else:
            answer.failure, answer.until = "", time.monotonic() + self.good_seconds

    async def close(self) -> None:
        """End look-ups under way."""
        tasks = list(self.running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.inner.close()
