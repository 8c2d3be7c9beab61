"""The access directory: in memory, each number's organization and what entitles it.

`service.access.feed` fills it and keeps it fresh; a look-up does no I/O and never waits.
"""

import time
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from service.access.database_clock import DatabaseClock
from service.access.former_owners import FormerOwners
from service.domain.decisions import Basis
from service.domain.organizations import Organization
from service.domain.phone_numbers import PhoneNumber
from service.store.organizations.directory import DirectoryEntry
from service.vapi.bindings import assistant_of

FRESH_SECONDS = 2.0
"""How old the last proof that changes arrive may be for decisions to count as fresh."""


class Registration(msgspec.Struct, frozen=True, gc=False):
    """The organization of a call, and its number unless only an assistant identified it."""

    organization: Organization
    phone_number: PhoneNumber | None


class AccessDirectory:
    """Organizations by the ids that a message may carry."""

    def __init__(self) -> None:
        self.clock = DatabaseClock()
        self.loaded = False
        self.heartbeat_at = float("-inf")
        self.entries: dict[UUID, DirectoryEntry] = {}
        self.numbers: dict[str, PhoneNumber] = {}
        self.assistants: dict[str, UUID] = {}
        self.answering: dict[str, set[UUID]] = {}
        self.former = FormerOwners()

    def now(self) -> datetime:
        """The instant at which decisions are made."""
        return self.clock.now()

    @property
    def age_seconds(self) -> float:
        """Seconds before which every change has arrived, as the last heartbeat proved."""
        return time.monotonic() - self.heartbeat_at

    @property
    def basis(self) -> Basis:
        return "fresh" if self.age_seconds < FRESH_SECONDS else "last_known_good"

    def record_heartbeat(self, at: float | None = None) -> None:
        """Note that every change made before `at` is applied: a monotonic instant, None for now."""
        self.heartbeat_at = time.monotonic() if at is None else at

    def find(
        self, phone_number_ids: Iterable[str], assistant_ids: Iterable[str]
    ) -> Registration | None:
        """The registration of the first id that is registered, numbers before assistants."""
        for number_id in phone_number_ids:
            if (found := self.numbers.get(number_id)) is not None:
                return Registration(self.entries[found.organization_id].organization, found)
        for assistant_id in assistant_ids:
            if (owner := self.owner_of_assistant(assistant_id)) is not None:
                return Registration(self.entries[owner].organization, None)
        return None

    def find_organization(self, organization_id: UUID) -> Organization | None:
        """The organization with an id."""
        entry = self.entries.get(organization_id)
        return None if entry is None else entry.organization

    def owner_of_assistant(self, assistant_id: str) -> UUID | None:
        """The organization that registered the assistant, or the only one whose numbers it answers.

        An assistant that answers for several organizations identifies none of them.
        """
        if (owner := self.assistants.get(assistant_id)) is not None:
            return owner
        answering = self.answering.get(assistant_id, ())
        return next(iter(answering)) if len(answering) == 1 else None

    def put(self, entry: DirectoryEntry) -> None:
        """Add or replace an organization."""
        self.remove(entry.organization.id)
        owner = entry.organization.id
        self.entries[owner] = entry
        for number in entry.phone_numbers:
            self.numbers[number.vapi_phone_number_id] = number
            assistant_id = assistant_of(number.answer_with)
            if assistant_id:
                self.answering.setdefault(assistant_id, set()).add(owner)
        for assistant_id in entry.organization.assistant_ids:
            self.assistants[assistant_id] = owner
        self.former.put(entry)

    def remove(self, organization_id: UUID) -> None:
        """Remove an organization. What moved to another one meanwhile stays there."""
        entry = self.entries.pop(organization_id, None)
        if entry is None:
            return
        self.former.remove(entry)
        for number in entry.phone_numbers:
            held = self.numbers.get(number.vapi_phone_number_id)
            if held is not None and held.organization_id == organization_id:
                del self.numbers[number.vapi_phone_number_id]
            assistant_id = assistant_of(number.answer_with)
            if assistant_id and (owners := self.answering.get(assistant_id)):
                owners.discard(organization_id)
                if not owners:
                    del self.answering[assistant_id]
        for assistant_id in entry.organization.assistant_ids:
            if self.assistants.get(assistant_id) == organization_id:
                del self.assistants[assistant_id]

    def replace(self, other: "AccessDirectory") -> None:
        """Take over the contents of a full read, in one step: no look-up sees half of it."""
        self.entries, self.numbers = other.entries, other.numbers
        self.assistants, self.answering = other.assistants, other.answering
        self.former = other.former
        self.loaded = True
