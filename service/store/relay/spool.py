"""The relay's spool: keeps lasting messages on this machine's disk while PostgreSQL cannot take them.

What follows a spooled message of its call is spooled too, so that the order holds; the messages of dead
processes come first. It is limited in bytes: what neither PostgreSQL nor the disk takes is refused.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from service.background import BackgroundLoop
from service.domain.relay.messages import CallLine, KeptMessage
from service.spool_files import SpoolFiles
from service.store.calls.privacy.forgetting import find_forgotten
from service.store.failures import REFUSED
from service.store.pool import UNAVAILABLE, Pool
from service.store.relay import messages

DRAIN_SECONDS = 1.0
BATCH_BYTES = 4 * 2**20
BATCH = 500
NO_WORKER = UUID(int=0)

DECODER = msgspec.json.Decoder(KeptMessage)

log = structlog.get_logger()


class RelaySpoolFullError(Exception):
    """PostgreSQL is away, and the spool has no room for the message."""


class RelaySpool(SpoolFiles):
    """Lasting messages in files. `now` is the database's time; `on_drained` is called when messages
    arrived in PostgreSQL, where no worker has claimed them yet."""

    def __init__(
        self, folder: Path, pool: Pool, most_bytes: int, now: Callable[[], datetime]
    ) -> None:
        super().__init__(folder)
        self.pool = pool
        self.most_bytes = most_bytes
        self.now = now
        self.on_drained: Callable[[], None] = lambda: None
        self.held_bytes = 0
        self.calls: Counter[CallLine] = Counter()
        self.drained: Counter[CallLine] = Counter()
        self.inspected = False

    def must_precede(self, line: CallLine) -> bool:
        """Whether a message of this call has to wait for others of it that are on the disk."""
        return not self.inspected or line in self.calls

    async def keep(self, message: KeptMessage) -> None:
        """Write a message to the disk; it is safe when this returns. Raises `RelaySpoolFullError`."""
        message = replace(message, received_at=message.received_at or self.now())
        line = msgspec.json.encode(message) + b"\n"
        if self.held_bytes + len(line) > self.most_bytes:
            raise RelaySpoolFullError
        self.held_bytes += len(line)
        self.calls[message.line] += 1
        if not await self.add(line):
            self.held_bytes -= len(line)
            self.forget(Counter([message.line]))
            raise RelaySpoolFullError

    def forget(self, drained: Counter[CallLine]) -> None:
        """Note that messages are not in our files any more."""
        self.calls.subtract(drained)
        for line in drained:
            if self.calls[line] <= 0:
                del self.calls[line]

    def background(self) -> BackgroundLoop:
        """Drains the spool every second."""
        return BackgroundLoop(
            "relay_spool", self.drain, interval=DRAIN_SECONDS, outages=UNAVAILABLE
        )

    async def drain(self) -> None:
        """Take over the files of processes that are gone, then empty our own."""
        self.measure()
        await self.drain_abandoned()
        self.inspected = True
        if self.on_disk:
            await self.drain_own()
        self.measure()
        if not self.on_disk:
            # Another process may have emptied our files.
            self.calls.clear()

    def measure(self) -> None:
        """Learn how much is on the disk, files of dead processes included."""
        size = 0
        for path in self.folder.glob("*.jsonl"):
            with suppress(FileNotFoundError):
                size += path.stat().st_size
        self.held_bytes = size

    async def drain_file(self, path: Path) -> None:
        """Empty and delete a file."""
        is_own, self.drained = path in self.left, Counter()
        await super().drain_file(path)
        if is_own:
            self.forget(self.drained)
        if self.drained:
            log.info("relay_spool.drained", messages=self.drained.total())
            self.on_drained()

    async def write(self, content: bytes) -> None:
        """Keep the messages of these lines in PostgreSQL, in their order."""
        batch: list[KeptMessage] = []
        size = 0
        for line in content.splitlines():
            try:
                message = DECODER.decode(line)
            except msgspec.MsgspecError:
                log.warning("relay_spool.line_unreadable")
                continue
            if batch and (size >= BATCH_BYTES or len(batch) >= BATCH):
                await self.insert(batch)
                batch, size = [], 0
            batch.append(message)
            size += len(message.body)
        if batch:
            await self.insert(batch)

    async def insert(self, batch: list[KeptMessage]) -> None:
        """Keep messages unclaimed. One that PostgreSQL rejects blocks no other."""
        try:
            await self.insert_unforgotten(batch)
        except REFUSED as exc:
            if len(batch) > 1:
                for one in batch:
                    await self.insert([one])
                return
            log.error("relay_spool.refused", call_id=batch[0].vapi_call_id, error=str(exc)[:200])
        self.drained.update(one.line for one in batch)

    async def insert_unforgotten(self, batch: list[KeptMessage]) -> None:
        """Keep messages, except those of calls whose caller was forgotten meanwhile."""
        distinct = {(one.organization_id, one.webhook_id): one for one in batch}
        async with self.pool.acquire() as connection, connection.transaction():
            forgotten = await find_forgotten(connection, (one.vapi_call_id for one in batch))
            given = [(one, False) for one in distinct.values() if one.line not in forgotten]
            held = messages.HELD_SECONDS
            await messages.insert(connection, NO_WORKER, given, held_seconds=held)
        if dropped := len(distinct) - len(given):
            log.info("relay_spool.forgotten", messages=dropped)
