"""What a replica's feed hears and reads of organizations, over its link."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any
from uuid import UUID

from service.domain.policies.choices import GeneralChoices
from service.store.organizations.directory import Beat, DirectoryEntry
from service.store.organizations.feed_source import FeedSource
from service.store.own_connections import OwnConnection
from tests.simulation.links import Link
from tests.simulation.tables import Tables

DIRECTORY = "directory:"
LISTENER, READER, FULL_READER = range(3)


class ModelSource(FeedSource):
    """The feed's connections. Notifications reach those that are not cut, stalled or half-open."""

    def __init__(self, tables: Tables, link: Link) -> None:
        super().__init__("")
        self.tables = tables
        self.link = link
        self.heard: Callable[[str], None] | None = None
        self.on_loss: Callable[[], None] | None = None

    async def ask(self, slot: int, operation: Callable[[], Any]) -> Any:
        """One statement on one of the connections, with the deadline of the real one."""
        own: OwnConnection = (self.listener, self.reader, self.full_reader)[slot]
        began = self.link.loop.time()
        try:
            found = await self.link.run(operation, own.patience.seconds, slot)
        except TimeoutError:
            own.patience.fail()
            raise
        own.patience.succeed(self.link.loop.time() - began)
        return found

    async def listen(
        self, on_notification: Callable[[str], None], on_loss: Callable[[], None]
    ) -> None:
        link = self.link
        await self.ask(LISTENER, lambda: None)
        generation = link.generation

        def hear(channel: str) -> None:
            if channel.startswith(DIRECTORY):
                payload = channel.removeprefix(DIRECTORY)
                link.notify(generation, lambda: on_notification(payload))

        self.drop()
        self.heard, self.on_loss = hear, on_loss
        self.tables.listeners.append(hear)
        link.on_cut.append(on_loss)

    async def beat(self, token: str) -> Beat:
        def at_server() -> Beat:
            self.tables.notify(DIRECTORY + token)
            return Beat(self.tables.now(), {})

        found: Beat = await self.ask(LISTENER, at_server)
        return found

    async def read_choices(self) -> GeneralChoices:
        found: GeneralChoices = await self.ask(READER, dict)
        return found

    async def read_some(self, organization_ids: Sequence[UUID]) -> dict[UUID, DirectoryEntry]:
        entries = self.tables.entries
        found: dict[UUID, DirectoryEntry] = await self.ask(
            READER, lambda: {one: entries[one] for one in organization_ids if one in entries}
        )
        return found

    async def read_all(self) -> AsyncGenerator[list[DirectoryEntry], None]:
        yield await self.ask(FULL_READER, lambda: list(self.tables.entries.values()))

    def drop(self) -> None:
        if self.heard is not None:
            self.tables.listeners.remove(self.heard)
            self.heard = None
        if self.on_loss is not None and self.on_loss in self.link.on_cut:
            self.link.on_cut.remove(self.on_loss)
