"""What all organizations' servers may use together, so that none of them can use it up. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class FairShare:
    """A resource of all organizations. Each may use at most as much as is free.

    So one busy organization gets half of the total, two get a third each, and the next one always
    finds some: a fixed limit for all could be used up by a few.
    """

    total: int
    used: int = 0

    def allows(self, own: int) -> bool:
        """Whether an organization that uses so much may use more."""
        return own < self.total - self.used

    def take(self, size: int = 1) -> None:
        self.used += size

    def give(self, size: int = 1) -> None:
        self.used -= size


@dataclass(frozen=True, slots=True)
class RelayShares:
    """`connections` under way, and `held` bytes of messages that wait or are under way."""

    connections: FairShare
    held: FairShare
