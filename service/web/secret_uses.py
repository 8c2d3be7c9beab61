"""Counts which webhook secrets Vapi uses, at no cost to the request; PostgreSQL is told now and then."""

import asyncio
from dataclasses import dataclass, field

import structlog

from service.domain.fingerprint import fingerprint
from service.store.pool import UNAVAILABLE, Pool
from service.store.reconcile import secrets as webhook_secrets

EVERY_SECONDS = 5.0
WRITE_SECONDS = 2.0

log = structlog.get_logger()


@dataclass(slots=True)
class SecretUses:
    """`secrets` are the accepted ones, in the order that `authenticity.verify` counts them."""

    pool: Pool
    secrets: tuple[str, ...]
    used: set[int] = field(default_factory=set)

    def note(self, place: int) -> None:
        """A message came with this secret."""
        self.used.add(place)

    async def run(self) -> None:
        """Write what was used, for ever."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what was used since; what is not written, for whatever reason, is kept."""
        used, self.used = self.used, set()
        if not used:
            return
        written = False
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                names = [fingerprint(self.secrets[one]) for one in used]
                await webhook_secrets.note(self.pool, names)
            written = True
        except UNAVAILABLE:
            pass  # tried again with the next ones
        except Exception:
            log.exception("secret_uses.failed")
        finally:
            # Also when we are cancelled in the middle, as at every shutdown: a last flush follows.
            if not written:
                self.used |= used
