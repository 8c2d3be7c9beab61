"""The private key: while Vapi refuses it, replicas stop asking and one retries at intervals."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from service.store.pool import Pool
from service.store.reconcile import state as reconciliation
from service.store.reconcile import states
from service.vapi.client import VapiClient
from service.vapi.errors import (
    VapiError,
    VapiNotFoundError,
    VapiRejectedError,
    VapiUnauthorizedError,
)

RETRY_SECONDS = 30.0
POLL_SECONDS = 2.0

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
            await self.client.check_key()
        except VapiUnauthorizedError:
            await self.note_refused()
            return POLL_SECONDS
        except (VapiNotFoundError, VapiRejectedError):
            pass  # Vapi accepted the key and rejected the request
        except VapiError:
            return POLL_SECONDS  # the key is unproven: it is tried again
        await reconciliation.accept_key(self.pool)
        await states.wake_unauthorized(self.pool)
        log.info("vapi_key.accepted")
        return 0.0

    async def note_refused(self) -> None:
        """Tell all replicas that Vapi refuses our key, so that they stop asking for a while."""
        await reconciliation.refuse_key(self.pool, self.fingerprint, RETRY_SECONDS)
