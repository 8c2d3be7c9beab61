"""Records which webhook secrets Vapi uses. A request only sets a mark; a loop writes to PostgreSQL."""

from dataclasses import dataclass, field

import structlog

from service.background import BackgroundLoop
from service.domain.fingerprint import derived_fingerprint, fingerprint
from service.store.bounded import at_most
from service.store.pool import UNAVAILABLE, Pool
from service.store.reconcile import secrets as webhook_secrets

EVERY_SECONDS = 5.0
WRITE_SECONDS = 2.0

log = structlog.get_logger()


@dataclass(slots=True)
class SecretUses:
    """`secrets` are the masters, in the order that `authenticity.verify` counts them."""

    pool: Pool
    secrets: tuple[str, ...]
    used: set[str] = field(default_factory=set)
    names: dict[tuple[int, bool], str] = field(init=False)

    def __post_init__(self) -> None:
        masters = [(place, False, fingerprint(one)) for place, one in enumerate(self.secrets)]
        masters += [
            (place, True, derived_fingerprint(one)) for place, one in enumerate(self.secrets)
        ]
        self.names = {(place, derived): name for place, derived, name in masters}

    def note(self, place: int, *, derived: bool = False) -> None:
        """Mark the master that a message carried, or that the message's secret derives from."""
        self.used.add(self.names[place, derived])

    def background(self) -> BackgroundLoop:
        """Writes the uses every few seconds."""
        return BackgroundLoop(
            "secret_uses", self.write, interval=EVERY_SECONDS, outages=UNAVAILABLE
        )

    async def flush(self) -> None:
        """Write the uses; an error is logged, and what was not written is kept."""
        try:
            await self.write()
        except UNAVAILABLE:
            pass  # kept for the next attempt
        except Exception:
            log.exception("secret_uses.failed")

    async def write(self) -> None:
        """Write the uses since the last time; uses that are not written are kept."""
        used, self.used = self.used, set()
        if not used:
            return
        written = False
        try:
            async with at_most(WRITE_SECONDS):
                await webhook_secrets.record_uses(self.pool, sorted(used))
            written = True
        finally:
            # Also when we are cancelled in the middle, as at every shutdown: a last flush follows.
            if not written:
                self.used |= used
