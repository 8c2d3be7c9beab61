"""Conditions of the embedded PostgreSQL of this process."""

from collections.abc import Iterator
from dataclasses import dataclass

from service.domain.conditions import Condition, condition
from service.store.postgres.guard import PostgresGuard


@dataclass(frozen=True, slots=True)
class EmbeddedConditions:
    """Reads them from memory; takes no time."""

    guard: PostgresGuard

    def read(self) -> Iterator[Condition]:
        """Whether the server is down, and whether starting it has failed."""
        if self.guard.error:
            yield condition(
                "embedded_postgres_broken", attempts=self.guard.attempts, error=self.guard.error
            )
        elif self.guard.attempts:
            yield condition("embedded_postgres_restarting")
