"""The choices for all organizations that are in force in this process. No I/O."""

from collections.abc import Callable

from service.domain.policies.choices import GeneralChoices


class ChoicesInForce:
    """What was read last; the chain arranges its policies by it. each change wakes `followers`."""

    def __init__(self) -> None:
        self.value: GeneralChoices = {}
        self.read_at = float("-inf")
        self.followers: list[Callable[[], None]] = []

    def take(self, found: GeneralChoices, read_at: float) -> None:
        """Put what was read into force, unless a later reading is. `read_at` is a monotonic instant at
        which the reading had not begun."""
        if read_at < self.read_at:
            return
        self.read_at = read_at
        if found == self.value:
            return
        self.value = found
        for follower in self.followers:
            follower()
