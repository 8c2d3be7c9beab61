"""How browsers reach the panel, as far as their requests show settings that are missing."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from service.domain.conditions import Condition, condition

KEPT_SECONDS = 24 * 3600.0


@dataclass(slots=True)
class Sighting:
    """The last request that showed something: an address, and when."""

    address: str = ""
    at: float = float("-inf")

    def note(self, address: str) -> None:
        self.address, self.at = address, time.monotonic()

    @property
    def is_recent(self) -> bool:
        return time.monotonic() - self.at < KEPT_SECONDS


@dataclass(frozen=True, slots=True)
class PanelReach:
    """What this replica saw within a day."""

    proxy: Sighting = field(default_factory=Sighting)
    """A peer that sent forwarding headers without being a trusted proxy."""
    host: Sighting = field(default_factory=Sighting)
    """A host by which a signed-in browser reached the panel without CALLGATE_PUBLIC_URL."""

    def read(self) -> Iterator[Condition]:
        """The conditions."""
        if self.proxy.is_recent:
            yield condition("proxy_not_trusted", address=self.proxy.address)
        if self.host.is_recent:
            yield condition("public_url_missing", host=self.host.address)
