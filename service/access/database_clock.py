"""The database's time in memory, and how far this machine's clock is from it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DatabaseClock:
    """The database's time, carried forward by this machine's monotonic clock between readings.

    A wrong or jumping wall clock of a replica therefore changes no decision. Until the first reading
    it is the wall clock (`wall`, in seconds since 1970), because there is no better one.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self.wall = wall
        self.offset: float | None = None

    def set(self, database_time: datetime, asked_at: float, answered_at: float) -> None:
        """Learn that the database's time was `database_time` between two monotonic instants.

        The clock moves only if the reading contradicts it: a slow answer says little, and must not
        shift what a quick one measured.
        """
        seconds = database_time.timestamp()
        least, most = seconds - answered_at, seconds - asked_at
        if self.offset is None:
            self.offset = (least + most) / 2
        self.offset = min(max(self.offset, least), most)

    def assume_after(self, instant: datetime) -> None:
        """Start at an instant that is certainly over, if no reading and not even the wall clock is
        past it."""
        if self.timestamp() < instant.timestamp():
            self.offset = instant.timestamp() - time.monotonic()

    def timestamp(self) -> float:
        """The database's time in seconds since 1970."""
        return self.wall() if self.offset is None else time.monotonic() + self.offset

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.timestamp())

    @property
    def ahead_seconds(self) -> float | None:
        """How far the database's clock is ahead of this machine's; None: not measured yet."""
        return None if self.offset is None else self.timestamp() - self.wall()
