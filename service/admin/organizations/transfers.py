"""The check of `transfer_when_down`: a registered number would ring in a circle."""

from collections.abc import Mapping
from typing import Any

from service.domain.errors import TransferInCircleError
from service.store.phone_numbers import transfers
from service.store.pool import Connection


async def check_transfer(connection: Connection, values: Mapping[str, Any]) -> None:
    """Refuse a transfer to a number that asks Callgate itself. Raises `TransferInCircleError`."""
    number = values.get("handling", {}).get("transfer_when_down")
    owner = await transfers.find_owner(connection, number) if number else None
    if owner is not None:
        raise TransferInCircleError(
            f"{number} is registered here (of {owner}): while Callgate is unreachable, a call that is "
            "transferred to it would ring in a circle. Give a number that Callgate does not manage."
        )
