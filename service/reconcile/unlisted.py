"""Numbers that Vapi's list does not show: each is read by its id, where no pass may write to it."""

import time
from collections.abc import Sequence
from uuid import UUID

from service.domain.priority import Priority
from service.reconcile.failures import MISSING
from service.reconcile.observe import Observer
from service.reconcile.sweep_page import SweepPageReader
from service.store.reconcile.missing import UnlistedNumber, find_unlisted, record_missing
from service.vapi.errors import VapiError, VapiNotFoundError

LONGEST_SECONDS = 20.0
"""An admin waits for a dry run; what is not read by then is not judged."""


async def read_unlisted(
    observer: Observer, reader: SweepPageReader, phone_number_ids: Sequence[UUID]
) -> int:
    """Plan the numbers that Vapi has, record the missing ones; returns how many were read."""
    began, read = time.monotonic(), 0
    for number in await find_unlisted(reader.pool, phone_number_ids):
        if time.monotonic() - began > LONGEST_SECONDS:
            break
        read += await read_one(observer, reader, number)
    return read


async def read_one(observer: Observer, reader: SweepPageReader, number: UnlistedNumber) -> bool:
    """Read one number. False: Vapi did not answer."""
    try:
        view = await observer.number(number.vapi_phone_number_id, Priority.LOOK)
    except VapiNotFoundError:
        await record_missing(reader.pool, number, MISSING)
    except VapiError:
        return False
    else:
        await reader.read([view])
    return True
