"""The check of numbers that calls are transferred to: a registered number would ring in a circle."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from policies.host.marks import BadTextError
from policies.host.phone_numbers import parse_phone_number
from service.domain.errors import TransferInCircleError
from service.store.phone_numbers import transfers
from service.store.pool import Connection


async def check_transfer(connection: Connection, values: Mapping[str, Any]) -> None:
    """Refuse a transfer to a number that asks Callgate itself. Raises `TransferInCircleError`."""
    handling = values.get("handling", {})
    fallback = handling.get("relay_fallback") or {}
    numbers = handling.get("transfer_when_down"), fallback.get("destination", {}).get("number")
    for number in filter(None, numbers):
        await check_number(connection, number)


async def check_diversions(connection: Connection, settings: Mapping[str, Any]) -> None:
    """Refuse settings of a policy that divert calls to such a number. Raises `TransferInCircleError`."""
    diversion = settings.get("divert_to")
    if isinstance(diversion, Mapping):
        place = diversion.get("destination")
        diversion = place.get("number") if isinstance(place, Mapping) else None
    if not isinstance(diversion, str):
        return
    with suppress(BadTextError):  # not a phone number: the policy's own model judges it
        await check_number(connection, parse_phone_number(diversion))


async def check_number(connection: Connection, number: str) -> None:
    """Refuse a number that asks Callgate itself. Raises `TransferInCircleError`."""
    owner = await transfers.find_owner(connection, number)
    if owner is not None:
        raise TransferInCircleError(
            f"{number} is registered here (of {owner}): a call that is transferred to it would ring "
            "in a circle. Give a number that Callgate does not manage."
        )
