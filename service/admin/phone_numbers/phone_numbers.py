"""Use cases for phone numbers: adding one configures its webhook at Vapi, removing one restores it."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import structlog

from service.admin.actor import Actor
from service.admin.changes import RESTORE_REMARK, Freshen, freshen_all, record, transaction
from service.admin.requests.versions import check_version, version_of
from service.domain.errors import (
    CallgateError,
    NoSuccessorError,
    NotFoundError,
    PhoneNumberNotFoundError,
    PhoneNumberTakenError,
    UnknownOrganizationError,
    VapiAwayError,
)
from service.domain.phone_numbers import PhoneNumber, Sync
from service.store.organizations import organizations
from service.store.phone_numbers import phone_numbers as store
from service.store.phone_numbers import search
from service.store.phone_numbers.search import (
    NumberCount,
    NumberPage,
    NumberSort,
    PhoneNumberFilter,
    Position,
)
from service.store.phone_numbers.successors import relink
from service.store.pool import UNAVAILABLE, Connection, Pool

RECONCILE_SECONDS = 6.0
"""How long an admin's request waits for Vapi; afterwards the loop continues."""

AT_VAPI = frozenset({"organization_id", "gate", "answer_with"})
"""Fields whose change needs another pass at Vapi. A number carries its organization's secret."""

NOT_RESTORABLE = "cannot be restored: Vapi does not show it"

FIELDS = ("organization_id", "vapi_phone_number_id", "label", "gate", "answer_with")

log = structlog.get_logger()


class Probed(Protocol):
    """A number at Vapi."""

    @property
    def number(self) -> str | None: ...

    @property
    def name(self) -> str | None: ...


class NumberReconciler(Protocol):
    """The reconciler, as the use cases need it."""

    async def probe(self, vapi_phone_number_id: str) -> Probed | None: ...

    async def reconcile(self, phone_number_id: UUID) -> Sync | None: ...


def fields_of(number: PhoneNumber) -> dict[str, Any]:
    return {name: getattr(number, name) for name in FIELDS}


def number_version(number: PhoneNumber) -> str:
    """The version that a change replaces; a pause that ends by itself makes no new one."""
    return version_of({"id": number.id, "pause": number.paused_at, **fields_of(number)})


def audited(number: PhoneNumber) -> dict[str, Any]:
    """The fields for an audit entry, which also says what a release cannot restore."""
    lost = {RESTORE_REMARK: NOT_RESTORABLE} if number.secret_lost else {}
    return {**fields_of(number), **lost}


@dataclass(slots=True)
class PhoneNumbers:
    """Use cases of admins for phone numbers."""

    pool: Pool
    freshen: Freshen
    webhooks: NumberReconciler
    vapi_seconds: float = RECONCILE_SECONDS

    async def get(self, phone_number_id: UUID) -> PhoneNumber:
        """One registered number; raises `NotFoundError`."""
        found = await store.find(self.pool, phone_number_id)
        if found is None:
            raise PhoneNumberNotFoundError
        return found

    async def find_page(
        self,
        wanted: PhoneNumberFilter,
        *,
        sort: NumberSort = "id",
        after: Position | None = None,
        limit: int,
    ) -> NumberPage:
        """Registered numbers in order."""
        return await search.find_page(self.pool, wanted, sort=sort, after=after, limit=limit)

    async def count(self, wanted: PhoneNumberFilter) -> NumberCount:
        """How many numbers match, by the state of their webhook."""
        return await search.count(self.pool, wanted)

    async def create(self, actor: Actor, values: Mapping[str, Any]) -> PhoneNumber:
        """Register a number and configure it at Vapi at once.

        Raises `PhoneNumberTakenError`, `UnknownOrganizationError` or
        `VapiPhoneNumberNotFoundError`. While Vapi does not answer the number stays `pending`.
        """
        actor.require_admin()
        vapi_id = values["vapi_phone_number_id"]
        if await store.find_by_vapi_id(self.pool, vapi_id) is not None:
            raise PhoneNumberTakenError
        if await organizations.find(self.pool, values["organization_id"]) is None:
            raise UnknownOrganizationError
        probed = await self.probe(vapi_id)
        created = await self.register(
            actor, {**values, "number": probed.number if probed else None}
        )
        try:
            return await self.configure(created.id)
        except (NotFoundError, *UNAVAILABLE):
            return created  # the number was added, even if it cannot be read now

    async def register(self, actor: Actor, values: Mapping[str, Any]) -> PhoneNumber:
        """Register a number that exists at Vapi; the loop configures it a moment later.

        `values` are those of `create` and `number`. Raises the errors of `create`.
        """
        actor.require_admin()
        async with transaction(self.pool) as connection:
            phone_number_id = await store.insert(connection, values, actor.order)
            created = await self.stored(connection, phone_number_id)
            await self.audit(connection, actor, "phone_number.created", None, created)
        await freshen_all(self.freshen, [created.organization_id])
        return created

    async def change(
        self, actor: Actor, phone_number_id: UUID, changes: Mapping[str, Any]
    ) -> PhoneNumber:
        """Change the given fields only, and update Vapi. Raises `InvalidError`."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            await store.lock(connection, phone_number_id)
            before = await self.stored(connection, phone_number_id)
            check_version(number_version(before))
            changed = {name for name in changes if getattr(before, name) != changes[name]}
            if not changed:
                return before
            await store.update(connection, phone_number_id, {**fields_of(before), **changes})
            if changed & AT_VAPI:
                await store.make_due(connection, phone_number_id, actor.order)
            after = await self.stored(connection, phone_number_id)
            await self.audit(connection, actor, "phone_number.changed", before, after)
        await freshen_all(self.freshen, [before.organization_id, after.organization_id])
        if changed & AT_VAPI:
            return await self.configure(phone_number_id)
        return await self.get(phone_number_id)

    async def delete(self, actor: Actor, phone_number_id: UUID) -> None:
        """Release a number and restore its previous webhook at Vapi.

        The number is removed at once; the loop restores the webhook until Vapi accepts it.
        """
        actor.require_admin()
        async with transaction(self.pool) as connection:
            await store.lock(connection, phone_number_id)
            before = await self.stored(connection, phone_number_id)
            check_version(number_version(before))
            await store.release(connection, phone_number_id, actor.order)
            await self.audit(connection, actor, "phone_number.released", before, None)
        await freshen_all(self.freshen, [before.organization_id])
        await self.reconcile(phone_number_id)

    async def relink(self, actor: Actor, phone_number_id: UUID) -> PhoneNumber:
        """Link a missing number to the id under which Vapi has it again, and configure it there.

        Raises `NoSuccessorError`, `PhoneNumberTakenError`, `VapiPhoneNumberNotFoundError` or
        `VapiAwayError`.
        """
        actor.require_admin()
        number = await self.get(phone_number_id)
        successor = number.successor_vapi_id
        probed = await self.probe(successor) if successor else None
        if successor and probed is None:
            raise VapiAwayError("Vapi does not answer. Try again later.")
        if successor is None or probed is None or probed.number != number.number:
            raise NoSuccessorError
        async with transaction(self.pool) as connection:
            await store.lock(connection, phone_number_id)
            before = await self.stored(connection, phone_number_id)
            check_version(number_version(before))
            if before.successor_vapi_id != successor:
                raise NoSuccessorError
            await relink(connection, phone_number_id, successor, actor.order)
            after = await self.stored(connection, phone_number_id)
            await self.audit(connection, actor, "phone_number.relinked", before, after)
        return await self.configure(phone_number_id)

    async def sync(self, actor: Actor, phone_number_id: UUID) -> PhoneNumber:
        """Reconcile one number now."""
        actor.require_admin()
        async with transaction(self.pool) as connection:
            await self.stored(connection, phone_number_id)
            await store.allow_write(connection, phone_number_id, actor.order)
        return await self.configure(phone_number_id)

    async def probe(self, vapi_id: str) -> Probed | None:
        """The number at Vapi; None while Vapi does not answer. Raises `VapiPhoneNumberNotFoundError`."""
        try:
            async with asyncio.timeout(self.vapi_seconds):
                return await self.webhooks.probe(vapi_id)
        except CallgateError:
            raise
        except UNAVAILABLE as exc:
            log.warning("webhook.probe_unfinished", error=type(exc).__name__)
        except Exception:
            log.exception("webhook.probe_failed")
        return None

    async def configure(self, phone_number_id: UUID) -> PhoneNumber:
        """Reconcile a number and return it; this replica's next call is answered accordingly.

        The request gate takes the assistant off the number: its calls are answered from the
        directory from then on, so the directory must know the assistant before the caller does.
        """
        await self.reconcile(phone_number_id)
        found = await self.get(phone_number_id)
        await freshen_all(self.freshen, [found.organization_id])
        return found

    async def reconcile(self, phone_number_id: UUID) -> None:
        """One pass, at most `RECONCILE_SECONDS` long; the loop goes on with one that did not end."""
        try:
            async with asyncio.timeout(self.vapi_seconds):
                await self.webhooks.reconcile(phone_number_id)
                return
        except UNAVAILABLE as exc:
            log.warning("webhook.reconcile_unfinished", error=type(exc).__name__)
        except Exception:
            log.exception("webhook.reconcile_failed", phone_number_id=phone_number_id)
        with contextlib.suppress(*UNAVAILABLE):
            await store.go_on(self.pool, phone_number_id)

    async def stored(self, connection: Connection, phone_number_id: UUID) -> PhoneNumber:
        found = await store.find(connection, phone_number_id)
        if found is None:
            raise PhoneNumberNotFoundError
        return found

    async def audit(
        self,
        connection: Connection,
        actor: Actor,
        action: str,
        before: PhoneNumber | None,
        after: PhoneNumber | None,
    ) -> None:
        subject = after or before
        assert subject is not None
        await record(
            connection,
            actor,
            action,
            subject.id,
            before=None if before is None else audited(before),
            after=None if after is None else audited(after),
        )
