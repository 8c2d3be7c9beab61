"""How one organization's server takes its messages, as admins see it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

RelayState = Literal["off", "idle", "delivering", "paused"]
"""Off: no `forward_url`. Idle: no message since this replica started. Paused: a breaker is open."""


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """Of this replica since its start. `oldest_seconds` is the age of the oldest waiting message.

    `last_error` is a sentence of ours; it contains no text of the server.
    """

    state: RelayState
    waiting: int = 0
    oldest_seconds: float | None = None
    dropped: int = 0
    last_error: str | None = None
    last_error_at: datetime | None = None


OFF, IDLE = RelayStatus("off"), RelayStatus("idle")
