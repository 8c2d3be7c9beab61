"""How an organization stands at an instant, as far as its numbers at Vapi depend on it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AccessStanding:
    """`ring`: numbers without access carry our ringing hook, which says `message`.

    `changes_in`: seconds until the access changes by itself, as far as the entitlements tell; None:
    never. `transfer_to`: where Vapi sends paying callers while we are away.
    """

    allowed: bool
    reason: str
    message: str
    ring: bool
    transfer_to: str | None
    changes_at: datetime | None
    changes_in: float | None

    @property
    def is_watched(self) -> bool:
        """Whether a number's desired state depends on the access."""
        return self.ring or self.transfer_to is not None
