"""Use cases around numbers that call us unregistered: claim one in one step, or ignore it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.admin.actor import Actor
from service.admin.changes import record, transaction
from service.admin.errors import UnknownNumberNotFoundError
from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.domain.phone_numbers import PhoneNumber
from service.store.phone_numbers import phone_numbers
from service.store.phone_numbers import unknown_numbers as store
from service.store.phone_numbers.unknown_numbers import UnknownNumber
from service.store.pool import Connection, Pool


@dataclass(frozen=True, slots=True)
class UnknownNumbers:
    """What admins do with the inbox."""

    pool: Pool
    numbers: PhoneNumbers

    async def list_page(
        self, *, ignored: bool, after: tuple[datetime, str] | None, limit: int
    ) -> list[UnknownNumber]:
        return await store.list_page(self.pool, ignored=ignored, after=after, limit=limit)

    async def claim(
        self, actor: Actor, vapi_phone_number_id: str, values: Mapping[str, Any]
    ) -> PhoneNumber:
        """Register a number of the inbox exactly as any other; it leaves the inbox by that.

        `values` and what is raised are those of `PhoneNumbers.create`; raises `NotFoundError`, too.
        """
        actor.require_admin()
        known = await phone_numbers.find_by_vapi_id(self.pool, vapi_phone_number_id)
        if known is None and await store.find(self.pool, vapi_phone_number_id) is None:
            raise UnknownNumberNotFoundError
        return await self.numbers.create(
            actor, {**values, "vapi_phone_number_id": vapi_phone_number_id}
        )

    async def ignore(self, actor: Actor, vapi_phone_number_id: str) -> UnknownNumber:
        """Put a number aside; doing it twice is no error."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            before = await self.locked(connection, vapi_phone_number_id)
            if before.ignored_at is not None:
                return before
            await store.ignore(connection, vapi_phone_number_id, actor.name)
            return await self.changed(connection, actor, "unknown_number.ignored", before)

    async def heed(self, actor: Actor, vapi_phone_number_id: str) -> UnknownNumber:
        """Take a number up again; doing it twice is no error."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            before = await self.locked(connection, vapi_phone_number_id)
            if before.ignored_at is None:
                return before
            await store.heed(connection, vapi_phone_number_id)
            return await self.changed(connection, actor, "unknown_number.heeded", before)

    async def locked(self, connection: Connection, vapi_phone_number_id: str) -> UnknownNumber:
        """A number of the inbox, held until the end of the transaction."""
        await store.lock(connection, vapi_phone_number_id)
        found = await store.find(connection, vapi_phone_number_id)
        if found is None:
            raise UnknownNumberNotFoundError
        return found

    async def changed(
        self, connection: Connection, actor: Actor, action: str, before: UnknownNumber
    ) -> UnknownNumber:
        """The number as it is now, with the change on record."""
        after = await store.find(connection, before.vapi_phone_number_id)
        assert after is not None, "it is locked"
        await record(
            connection,
            actor,
            action,
            "unknown_number",
            before.vapi_phone_number_id,
            before={"ignored_at": before.ignored_at, "ignored_by": before.ignored_by},
            after={"ignored_at": after.ignored_at, "ignored_by": after.ignored_by},
        )
        return after
