"""The private key: while Vapi refuses it, replicas stop asking and one retries at intervals."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from service.store.pool import Pool
from service.store.reconcile import state as reconciliation
from service.store.reconcile import states
from service.vapi.client import VapiClient
from service.vapi.errors import (
    VapiError,
    VapiForbiddenError,
    VapiNotFoundError,
    VapiRejectedError,
    VapiUnauthorizedError,
)

RETRY_SECONDS = 30.0
POLL_SECONDS = 2.0
FORBIDDEN = (
    "Vapi refuses the private key for this number, or for what answers it (403). Check whose it is "
    "at Vapi."
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeyGuard:
    """Tracks whether Vapi accepts the key with this fingerprint, across replicas and restarts.

    A refused key with another fingerprint is another key: ours is tried at once.
    """

    pool: Pool
    client: VapiClient
    fingerprint: str

    async def refused_since(self) -> datetime | None:
        """Since when Vapi refuses our key; None while it accepts it."""
        state = await reconciliation.get(self.pool)
        same = state.key_fingerprint == self.fingerprint
        return state.key_refused_at if same else None

    async def seconds_closed(self) -> float:
        """Seconds to wait before asking Vapi for anything; 0 while the key is accepted.

        Retries a refused key when that is due, and wakes the numbers that failed because of it.
        """
        state = await reconciliation.get(self.pool)
        if state.key_refused_at is None:
            return 0.0
        if not await reconciliation.try_key(self.pool, self.fingerprint, RETRY_SECONDS):
            return POLL_SECONDS
        try:
            accepted = await self.is_accepted()
        except VapiError:
            return POLL_SECONDS  # the key is unproven: it is tried again
        if not accepted:
            await self.note_refused()
            return POLL_SECONDS
        await reconciliation.accept_key(self.pool)
        await states.wake_unauthorized(self.pool)
        log.info("vapi_key.accepted")
        return 0.0

    async def is_accepted(self) -> bool:
        """Ask Vapi. Raises a `VapiError` if its answer tells nothing of the key."""
        try:
            await self.client.check_key()
        except VapiUnauthorizedError:
            return False
        except (VapiNotFoundError, VapiRejectedError):
            pass  # Vapi accepted the key and rejected the request
        return True

    async def judge(self, refusal: VapiUnauthorizedError) -> VapiError:
        """What the refusal of a request about one number means. A refused key concerns all numbers, so
        it is recorded; a 403 may be about the one object, and then it must not stop the others."""
        if isinstance(refusal, VapiForbiddenError):
            with suppress(VapiError):
                if await self.is_accepted():
                    return VapiRejectedError(FORBIDDEN)
        await self.note_refused()
        return refusal

    async def note_refused(self) -> None:
        """Tell all replicas that Vapi refuses our key, so that they stop asking for a while."""
        await reconciliation.refuse_key(self.pool, self.fingerprint, RETRY_SECONDS)
