"""The connections of one organization's server, as a part of those of all. Pure."""

from dataclasses import dataclass

from service.relay.shares import FairShare


@dataclass(slots=True)
class OpenConnections:
    """Connections under way, for answers and for deliveries."""

    share: FairShare
    own: int = 0

    def allows(self) -> bool:
        """Whether one more may be opened."""
        return self.share.allows(self.own)

    def take(self) -> None:
        self.own += 1
        self.share.take()

    def give(self) -> None:
        self.own -= 1
        self.share.give()
