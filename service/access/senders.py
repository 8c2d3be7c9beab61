"""Which messages the secret of one organization proves: those of its own numbers, assistants and calls.

A message that names a registered number or assistant belongs to that one's organization, except for a
call that its number left behind when it moved. Without one the call decides: another organization's call
can be neither ended nor continued.
"""

from uuid import UUID

from service.access.gate import AccessGate
from service.store.bounded import at_most
from service.store.calls.writer import RecordsUnavailableError
from service.store.pool import UNAVAILABLE
from service.vapi.messages import ServerMessage

READ_SECONDS = 2.0


class WrongOrganizationError(Exception):
    """The secret is that of another organization than the one that the message belongs to."""

    def __init__(self) -> None:
        super().__init__("The secret is that of another organization.")


async def check_sender(gate: AccessGate, message: ServerMessage, proved: UUID) -> None:
    """Raise `WrongOrganizationError` for a message that the secret of `proved` does not prove.

    Raises `RecordsUnavailableError` where PostgreSQL would have to tell.
    """
    directory = gate.directory
    numbers = [directory.numbers.get(number_id) for number_id in message.phone_number_ids]
    if any(number is not None and number.organization_id != proved for number in numbers):
        if not await has_kept_call(gate, message, proved):
            raise WrongOrganizationError
        return
    registration = directory.find(message.phone_number_ids, message.assistant_ids)
    if registration is not None:
        if registration.organization.id != proved:
            raise WrongOrganizationError
    elif message.call_id is not None:
        owners = await owners_of_call(gate, message.call_id)
        if owners and proved not in owners:
            raise WrongOrganizationError


async def has_kept_call(gate: AccessGate, message: ServerMessage, proved: UUID) -> bool:
    """Whether the call was recorded for this organization with the number that it names, which moved to
    another one since: Vapi may use the secret that the number had when the call began."""
    call_id, recorder = message.call_id, gate.recorder
    if call_id is None or len(message.phone_number_ids) != 1:
        return False
    if recorder.known.get(call_id) is None:
        try:
            await recorder.reload(call_id)
        except UNAVAILABLE as exc:
            raise RecordsUnavailableError from exc
    known = recorder.known.get(call_id)
    if known is None or known.organization_id != proved:
        return False
    return known.number == message.phone_number_ids[0]


async def owners_of_call(gate: AccessGate, call_id: str) -> set[UUID]:
    """The organizations that a call is recorded for or that claimed it; none for an unknown call.

    A recorded call is cached with this: what follows must know whose it is.
    """
    known = gate.recorder.known.get(call_id)
    if known is not None:
        owner = set() if known.organization_id is None else {known.organization_id}
        return owner | set(known.claims or ())
    try:
        async with at_most(READ_SECONDS):
            owners = await gate.recorder.calls.find_organizations_of_call(call_id)
        if owners:
            await gate.recorder.reload(call_id)
    except UNAVAILABLE as exc:
        raise RecordsUnavailableError from exc
    return owners
