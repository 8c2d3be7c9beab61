"""The outcomes of claimed messages, until they are written."""

from dataclasses import dataclass, field
from uuid import UUID

from service.store.relay.messages import ReturnedCall


@dataclass(slots=True)
class Outcomes:
    """Rows that were delivered, servers that took or refused messages, calls that are given back."""

    finished: list[tuple[int, str]] = field(default_factory=list)
    succeeded: set[UUID] = field(default_factory=set)
    failures: dict[UUID, tuple[int, str]] = field(default_factory=dict)
    probed: set[UUID] = field(default_factory=set)
    returned: list[ReturnedCall] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(
            self.finished or self.succeeded or self.failures or self.probed or self.returned
        )

    def note_delivered(self, owner: UUID, row: int, webhook_id: str) -> None:
        """A message was delivered."""
        self.finished.append((row, webhook_id))
        self.succeeded.add(owner)
        if owner in self.failures:
            self.failures[owner] = 0, self.failures[owner][1]

    def note_error(self, owner: UUID, error: str) -> None:
        """A server did not take a message; only lasting ones count as failures."""
        self.failures[owner] = self.failures.get(owner, (0, ""))[0], error

    def note_failed(self, returned: ReturnedCall) -> None:
        """A message was not delivered, and waits with those behind it."""
        owner = returned.organization_id
        count, _ = self.failures.get(owner, (0, ""))
        self.failures[owner] = count + 1, returned.error or ""
        self.returned.append(returned)
        if returned.is_probe:
            self.probed.add(owner)

    def merge(self, later: "Outcomes") -> None:
        """Add what happened later."""
        self.finished += later.finished
        self.succeeded |= later.succeeded
        for owner in later.succeeded & self.failures.keys():
            self.failures[owner] = 0, self.failures[owner][1]
        for owner, (count, error) in later.failures.items():
            self.failures[owner] = self.failures.get(owner, (0, ""))[0] + count, error
        self.probed |= later.probed
        self.returned += later.returned
