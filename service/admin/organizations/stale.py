"""Events of a billing system that arrive out of order: an older state of a plan changes nothing."""

from datetime import datetime
from uuid import UUID

from service.admin.actor import Actor
from service.admin.changes import undone_by
from service.domain.errors import StaleChangeError
from service.store.clock import get_now
from service.store.organizations import entitlements
from service.store.pool import Connection


async def check_as_of(
    actor: Actor,
    connection: Connection,
    organization_id: UUID,
    as_of: datetime | None,
    *,
    removes: bool = False,
) -> None:
    """Store the `as_of` of a plan's change; without one the stored one stays.

    An undo puts back that of its plan. One that leaves no plan (`removes`) keeps the stored one, which
    may be that of an earlier removal, unless it lies in the future. Raises `StaleChangeError` if it is
    older than the stored one, unless the change is an undo.
    """
    undoes = undone_by(actor) is not None
    if as_of is None and not undoes:
        return
    known = await entitlements.find_as_of(connection, organization_id)
    if undoes and removes and known is not None and known <= await get_now(connection):
        return
    if known is not None and as_of is not None and as_of < known and not undoes:
        text = (
            f"The plan of {known.isoformat()} is newer than this change of {as_of.isoformat()}, "
            "which was not applied."
        )
        if known > await get_now(connection):
            text += " That time lies in the future: undo the change that set it, in the audit log."
        raise StaleChangeError(text, stored_as_of=known)
    await entitlements.put_as_of(connection, organization_id, as_of)
