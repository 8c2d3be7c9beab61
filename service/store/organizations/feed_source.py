"""What the directory's feed reads from PostgreSQL, on connections of its own with short deadlines.

Beside the pool, because a pool that is used up or cut off must not delay the proof that changes
arrive: one connection listens and beats, one reads changes, and a full read opens a third for itself.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from uuid import UUID

from service.domain.policies.choices import GeneralChoices
from service.store.organizations import directory
from service.store.organizations.directory import (
    BATCH,
    BEAT,
    CHANNEL,
    ENTRIES,
    Beat,
    DirectoryEntry,
)
from service.store.own_connections import OwnConnection
from service.store.policies import choices
from service.store.pool import Connection

LISTENER, READER, FULL_READER = "callgate-listener", "callgate-reader", "callgate-full-read"


class FeedSource:
    """PostgreSQL as the feed sees it. Everything raises one of `UNAVAILABLE` past its deadline."""

    def __init__(self, dsn: str) -> None:
        self.listener = OwnConnection(dsn, LISTENER)
        self.reader = OwnConnection(dsn, READER)
        self.full_reader = OwnConnection(dsn, FULL_READER)

    async def listen(
        self, on_notification: Callable[[str], None], on_loss: Callable[[], None]
    ) -> None:
        """Open the connection that listens. `on_loss` is called when it ends."""

        async def start(connection: Connection) -> None:
            connection.add_termination_listener(lambda _connection: on_loss())
            await connection.add_listener(
                CHANNEL, lambda _connection, _pid, _channel, payload: on_notification(str(payload))
            )

        await self.listener.ask(start)

    async def beat(self, token: str) -> Beat:
        """Send a notification to every listener, ourselves included; return what comes with it."""
        return directory.beat_of(await self.listener.ask(lambda one: one.fetchrow(BEAT, token)))

    async def read_choices(self) -> GeneralChoices:
        """The choices about policies for all organizations."""
        return await self.reader.ask(choices.read_choices)

    async def read_some(self, organization_ids: Sequence[UUID]) -> dict[UUID, DirectoryEntry]:
        """The entries of these organizations; removed ones are missing."""
        return await self.reader.ask(lambda one: directory.read_some(one, organization_ids))

    async def read_all(self) -> AsyncGenerator[list[DirectoryEntry], None]:
        """Every entry, in batches of one consistent snapshot; each batch has the deadline anew."""
        full = self.full_reader
        try:
            await full.ask(
                lambda one: one.transaction(isolation="repeatable_read", readonly=True).start()
            )
            cursor = await full.ask(lambda one: one.cursor(ENTRIES))
            while rows := await full.ask(lambda _one: cursor.fetch(BATCH)):
                yield [directory.entry_of(row) for row in rows]
        finally:
            full.drop()

    def drop(self) -> None:
        """Close what is open."""
        for one in (self.listener, self.reader, self.full_reader):
            one.drop()
