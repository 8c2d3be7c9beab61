"""What admins do with the data of callers: forget a number on request."""

import asyncio
import hashlib
import hmac
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from policies.host.marks import shown
from service.admin.actor import Actor
from service.admin.changes import record, transaction
from service.domain.call_records.details import canonical_number, is_telling
from service.domain.errors import InvalidError
from service.store.calls.privacy import spool_files
from service.store.calls.privacy.forgetting import (
    ForgottenCaller,
    count_number,
    forget_number,
)
from service.store.pool import Pool

PURPOSE = "callgate:caller:"
DIGITS = 16
LONGEST = 100
WAIT_SECONDS = 5.0
PAUSE_SECONDS = 0.2
SYSTEM = Actor("system", "admin", "system")


@dataclass(frozen=True, slots=True)
class Callers:
    """`key` names numbers in the audit log, where they must not stand themselves. `folder` is the spool
    of this machine, `relay_folder` that of its relay, if it has one: their lines
    have `wait_seconds` to reach PostgreSQL."""

    pool: Pool
    key: str
    folder: Path | None = None
    relay_folder: Path | None = None
    wait_seconds: float = WAIT_SECONDS

    async def count(self, actor: Actor, text: str) -> ForgottenCaller:
        """How many records `forget` would change. Raises its errors."""
        actor.require_admin()
        number = parse_caller(text)
        async with self.pool.acquire() as connection:
            found = await count_number(connection, number)
        return replace(
            found,
            rejected=await self.on_disk(spool_files.count_rejected, number),
            waiting=await self.count_waiting(number),
        )

    async def forget(self, actor: Actor, text: str) -> ForgottenCaller:
        """Remove a number from all calls, with transcripts and with messages that are kept for clients'
        servers; durations and costs stay. Audited, even if nothing was found.

        `waiting` is more than zero if PostgreSQL has not taken all that is on this machine's disk: not
        forgotten yet, and to be repeated then. Raises `InvalidError` for a text that names no single
        caller.
        """
        actor.require_admin()
        number = parse_caller(text)
        waiting = await self.wait_for_disk(number)
        async with transaction(self.pool) as connection:
            forgotten = replace(
                await forget_number(connection, number),
                rejected=await self.on_disk(spool_files.forget_rejected, number),
                waiting=waiting,
            )
            name = self.fingerprint(number)
            await record(connection, actor, "caller.forgotten", name, after=asdict(forgotten))
        return forgotten

    async def record_expired(self, kind: str, count: int) -> None:
        """Audit that retention deleted calls; rows of other kinds say nothing of callers."""
        if kind == "calls":
            async with transaction(self.pool) as connection:
                await record(
                    connection, SYSTEM, "calls.expired", "retention", after={"rows": count}
                )

    async def wait_for_disk(self, number: str) -> int:
        """Wait until no record or message on its way to PostgreSQL names the caller; how many do."""
        ends_at = time.monotonic() + self.wait_seconds
        while waiting := await self.count_waiting(number):
            if time.monotonic() > ends_at:
                return waiting
            await asyncio.sleep(PAUSE_SECONDS)
        return 0

    async def count_waiting(self, number: str) -> int:
        records = await self.on_disk(spool_files.count_waiting, number)
        return records + await on_disk(self.relay_folder, spool_files.count_messages, number)

    async def on_disk(self, work: spool_files.Work, number: str) -> int:
        return await on_disk(self.folder, work, number)

    def fingerprint(self, number: str) -> str:
        """A name of a number that does not reveal it without the key: there are few numbers to try."""
        made = hmac.new(self.key.encode(), (PURPOSE + number).encode(), hashlib.sha256)
        return made.hexdigest()[:DIGITS]


async def on_disk(folder: Path | None, work: spool_files.Work, number: str) -> int:
    return 0 if folder is None else await asyncio.to_thread(work, folder, number)


def parse_caller(text: str) -> str:
    """A caller's number as the records have it: in E.164, or a SIP address. Raises `InvalidError` for
    any other text: `anonymous` are many callers, of all organizations."""
    plain = text.strip()[:LONGEST]
    number = canonical_number(plain)
    if not number:
        raise InvalidError("Enter the number of the caller.", field="number")
    if is_telling(number):
        return number
    raise InvalidError(
        f"{shown(plain)} names no single caller: enter a phone number with its country code, such as "
        "+15550100100, or a SIP address.",
        field="number",
    )
