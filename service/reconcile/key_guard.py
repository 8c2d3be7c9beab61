"""The private key at Vapi: while it is refused, replicas stop asking and one tries now and then."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from service.domain.priority import Priority
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
LOOK_SECONDS = 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeyGuard:
    """Knows whether Vapi takes the key with this fingerprint, over all replicas and restarts.

    A refused key of another fingerprint was another key: ours is tried at once.
    """

    pool: Pool
    client: VapiClient
    fingerprint: str

    async def refused_since(self) -> datetime | None:
        """Since when Vapi refuses our key; None while it does not."""
        state = await reconciliation.get(self.pool)
        same = state.key_fingerprint == self.fingerprint
        return state.key_refused_at if same else None

    async def seconds_closed(self) -> float:
        """Seconds to wait before asking Vapi for anything; 0 while the key is good.

        Tries a refused key when its time has come, and wakes what it left behind when it works.
        """
        state = await reconciliation.get(self.pool)
        if state.key_refused_at is None:
            return 0.0
        if not await reconciliation.try_key(self.pool, self.fingerprint, RETRY_SECONDS):
            return LOOK_SECONDS
        try:
            await self.client.list_phone_numbers_page(1, 1, Priority.REPAIR)
        except VapiUnauthorizedError:
            await reconciliation.refuse_key(self.pool, self.fingerprint, RETRY_SECONDS)
            return LOOK_SECONDS
        except (VapiNotFoundError, VapiRejectedError):
            pass  # Vapi knows who asks, and does not like the question
        except VapiError:
            return LOOK_SECONDS  # nothing is known of the key: it is tried again
        await reconciliation.accept_key(self.pool)
        await states.wake_unauthorized(self.pool)
        log.info("vapi_key.accepted")
        return 0.0
