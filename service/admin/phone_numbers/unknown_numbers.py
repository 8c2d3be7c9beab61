"""Use cases for unknown numbers, which call us unregistered: claim one, or ignore it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.admin.actor import Actor
from service.admin.changes import record, transaction
from service.admin.errors import UnknownNumberNotFoundError
from service.admin.phone_numbers.phone_numbers import PhoneNumbers
from service.admin.requests.versions import check_version, version_of
from service.domain.phone_numbers import PhoneNumber
from service.store.phone_numbers import phone_numbers
from service.store.phone_numbers import unknown_numbers as store
from service.store.phone_numbers.unknown_numbers import UnknownNumber
from service.store.pool import Connection, Pool


def unknown_number_version(number: UnknownNumber) -> str:
    """Whether it is ignored, and since when: its calls change it by themselves."""
    return version_of({"id": number.vapi_phone_number_id, "ignored_at": number.ignored_at})


@dataclass(frozen=True, slots=True)
class UnknownNumbers:
    """Use cases of admins for unknown numbers."""

    pool: Pool
    numbers: PhoneNumbers

    async def list_page(
        self, *, ignored: bool, after: tuple[datetime, str] | None, limit: int
    ) -> list[UnknownNumber]:
        return await store.list_page(self.pool, ignored=ignored, after=after, limit=limit)

    async def count(self, *, ignored: bool) -> int:
        """How many are ignored, or not; counted as far as the store says."""
        return await store.count(self.pool, ignored=ignored)

    async def claim(
        self, actor: Actor, vapi_phone_number_id: str, values: Mapping[str, Any]
    ) -> PhoneNumber:
        """Register an unknown number, which removes it from the list.

        Takes the values of `PhoneNumbers.create` and raises its errors, or
        `UnknownNumberNotFoundError`.
        """
        actor.require_admin()
        known = await phone_numbers.find_by_vapi_id(self.pool, vapi_phone_number_id)
        if known is None and await store.find(self.pool, vapi_phone_number_id) is None:
            raise UnknownNumberNotFoundError
        return await self.numbers.create(
            actor, {**values, "vapi_phone_number_id": vapi_phone_number_id}
        )

    async def ignore(self, actor: Actor, vapi_phone_number_id: str) -> UnknownNumber:
        """Hide a number from the list; repeating it is no error."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            before = await self.locked(connection, vapi_phone_number_id)
            if before.ignored_at is not None:
                return before
            await store.ignore(connection, vapi_phone_number_id, actor.name)
            return await self.changed(connection, actor, "unknown_number.ignored", before)

    async def unignore(self, actor: Actor, vapi_phone_number_id: str) -> UnknownNumber:
        """Show an ignored number again; repeating it is no error."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            before = await self.locked(connection, vapi_phone_number_id)
            if before.ignored_at is None:
                return before
            await store.unignore(connection, vapi_phone_number_id)
            return await self.changed(connection, actor, "unknown_number.heeded", before)

    async def locked(self, connection: Connection, vapi_phone_number_id: str) -> UnknownNumber:
        """An unknown number, locked until the end of the transaction. Raises
        `UnknownNumberNotFoundError` and `PreconditionFailedError`."""
        await store.lock(connection, vapi_phone_number_id)
        found = await store.find(connection, vapi_phone_number_id)
        if found is None:
            raise UnknownNumberNotFoundError
        check_version(unknown_number_version(found))
        return found

    async def changed(
        self, connection: Connection, actor: Actor, action: str, before: UnknownNumber
    ) -> UnknownNumber:
        """Audit the change and return the number as it is now."""
        after = await store.find(connection, before.vapi_phone_number_id)
        assert after is not None, "it is locked"
        await record(
            connection,
            actor,
            action,
            before.vapi_phone_number_id,
            before={"ignored_at": before.ignored_at, "ignored_by": before.ignored_by},
            after={"ignored_at": after.ignored_at, "ignored_by": after.ignored_by},
        )
        return after
