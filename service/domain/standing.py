"""An organization's access, as far as its numbers at Vapi depend on it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AccessStanding:
    """`ring`: numbers without access get our ringing hook, which speaks `message`.

    `changes_in`: seconds until access changes by the stored entitlements; None: never. `transfer_to`:
    where Vapi transfers the callers of paying organizations while Callgate is down. `diverts`: denied
    calls go elsewhere, where their `assistant-request` is answered.
    """

    allowed: bool
    reason: str
    message: str
    ring: bool
    transfer_to: str | None
    changes_at: datetime | None
    changes_in: float | None
    diverts: bool = False

    @property
    def is_watched(self) -> bool:
        """Whether a number's desired state depends on access."""
        return self.ring or self.transfer_to is not None
