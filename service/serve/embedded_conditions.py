"""Conditions of the embedded PostgreSQL of this process, or of its supervisor."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from service.domain.conditions import Condition, condition
from service.store.postgres.guard_state import GuardState


@dataclass(frozen=True, slots=True)
class EmbeddedConditions:
    """Reads the guard's state from memory; takes no time."""

    state: Callable[[], GuardState]

    def read(self) -> Iterator[Condition]:
        """Whether the server is down, and whether starting it has failed."""
        found = self.state()
        if found.error:
            yield condition("embedded_postgres_broken", attempts=found.attempts, error=found.error)
        elif found.attempts:
            yield condition("embedded_postgres_restarting")
