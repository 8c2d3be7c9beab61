"""The state of the embedded server's guard, in memory that worker processes inherit.

Not in a file on disk: a full disk is a common reason for a server that does not start.
"""

import os
from contextlib import suppress

import msgspec

BYTES = 2048


class GuardState(msgspec.Struct, frozen=True):
    """`attempts` counts the starts since the server ended; 0: it runs. `error` is the last line of a
    server that did not start."""

    attempts: int = 0
    error: str = ""


class SharedState:
    """Written by the guard's process, read by its workers, over one open descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.last = GuardState()

    @classmethod
    def create(cls) -> "SharedState":
        made = cls(os.memfd_create("callgate-postgres"))
        made.write(GuardState())
        return made

    def write(self, state: GuardState) -> None:
        """Replace the state."""
        os.pwrite(self.descriptor, msgspec.json.encode(state).ljust(BYTES), 0)

    def read(self) -> GuardState:
        """The state now; the previous one while it is being written."""
        with suppress(msgspec.DecodeError):
            self.last = msgspec.json.decode(os.pread(self.descriptor, BYTES, 0), type=GuardState)
        return self.last
