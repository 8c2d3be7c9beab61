"""Use cases for one number's webhook at Vapi: its route, its history, a pause, a rollback."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from service.admin.actor import Actor
from service.admin.changes import record, transaction
from service.admin.errors import WebhookChangeNotFoundError
from service.admin.phone_numbers.phone_numbers import number_version
from service.admin.requests.versions import check_version
from service.domain.errors import (
    BadPeriodError,
    PhoneNumberNotFoundError,
)
from service.domain.phone_numbers import PhoneNumber
from service.store.clock import get_now
from service.store.phone_numbers import phone_numbers as store
from service.store.pool import Connection, Pool
from service.store.reconcile import changes as webhook_changes
from service.store.reconcile import states
from service.store.reconcile.changes import WebhookChange


class WebhookReconciler(Protocol):
    """What these use cases need of the reconciler."""

    async def route(self, vapi_phone_number_id: str) -> object: ...

    async def roll_back(self, phone_number_id: UUID, change: WebhookChange) -> None: ...


async def require_future(connection: Connection, until: datetime | None) -> None:
    """Raise `InvalidError` for a pause that ends in the past."""
    if until is not None and until <= await get_now(connection):
        raise BadPeriodError("A pause must end in the future.")


@dataclass(frozen=True, slots=True)
class NumberWebhooks:
    """What admins do with a number's webhook beyond adding and removing the number."""

    pool: Pool
    vapi: WebhookReconciler

    async def route(self, phone_number_id: UUID) -> object:
        """Read from Vapi where the number's events go, and why."""
        return await self.vapi.route(
            (await self.get(self.pool, phone_number_id)).vapi_phone_number_id
        )

    async def changes(
        self, phone_number_id: UUID, *, before_id: int | None, limit: int
    ) -> list[WebhookChange]:
        """Changes that were made at Vapi for this number, newest first."""
        await self.get(self.pool, phone_number_id)
        return await webhook_changes.list_page(self.pool, phone_number_id, before_id, limit)

    async def count_changes(self, phone_number_id: UUID) -> int:
        """How many there are; counted as far as the store says."""
        return await webhook_changes.count(self.pool, phone_number_id)

    async def pause(
        self, actor: Actor, phone_number_id: UUID, *, reason: str, until: datetime | None
    ) -> PhoneNumber:
        """Pause changes at Vapi for this number until then, or until an admin resumes it."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            await store.lock(connection, phone_number_id)
            before = await self.get(connection, phone_number_id)
            check_version(number_version(before))
            await require_future(connection, until)
            await states.pause(connection, phone_number_id, actor.name, reason, until)
            await record(
                connection,
                actor,
                "phone_number.paused",
                phone_number_id,
                before=None if before.pause is None else {"reason": before.pause.reason},
                after={"reason": reason, "until": until},
            )
            return await self.get(connection, phone_number_id)

    async def resume(self, actor: Actor, phone_number_id: UUID) -> PhoneNumber:
        """End a number's pause; no error if there is none."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            await store.lock(connection, phone_number_id)
            before = await self.get(connection, phone_number_id)
            check_version(number_version(before))
            if before.pause is None:
                return before
            await states.resume(connection, phone_number_id)
            await record(
                connection,
                actor,
                "phone_number.resumed",
                phone_number_id,
                before={"reason": before.pause.reason, "until": before.pause.until},
            )
            return await self.get(connection, phone_number_id)

    async def roll_back(
        self, actor: Actor, phone_number_id: UUID, *, change_id: int
    ) -> PhoneNumber:
        """Restore the fields from before a change, and pause the number so that it stays.

        Raises `NotFoundError`, or `UnavailableError`: then the number is paused and not rolled back.
        """
        actor.require_admin()
        change = await webhook_changes.find(self.pool, phone_number_id, change_id)
        if change is None:
            raise WebhookChangeNotFoundError
        await self.pause(
            actor, phone_number_id, reason=f"Rolled back to before change {change_id}.", until=None
        )
        async with transaction(self.pool) as connection:
            await store.allow_write(connection, phone_number_id, actor.order)
            await record(
                connection,
                actor,
                "phone_number.rolled_back",
                phone_number_id,
                after={"change_id": change_id, "vapi_id": change.vapi_id},
            )
        await self.vapi.roll_back(phone_number_id, change)
        return await self.get(self.pool, phone_number_id)

    async def get(self, database: Pool | Connection, phone_number_id: UUID) -> PhoneNumber:
        """One registered number; raises `NotFoundError`."""
        found = await store.find(database, phone_number_id)
        if found is None:
            raise PhoneNumberNotFoundError
        return found
